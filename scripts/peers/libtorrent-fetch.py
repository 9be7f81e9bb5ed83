"""Fetches one torrent in order with libtorrent, on loopback alone: libtorrent-fetch.py <torrent file> <folder>. Says "<seconds> <CPU seconds>" when all of it is there."""
import resource
import sys
import time
import libtorrent as lt

torrent, folder = sys.argv[1:3]
session = lt.session({
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True,
})
params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = folder
params.flags = lt.torrent_flags.sequential_download
began = time.monotonic()
handle = session.add_torrent(params)
while not handle.status().is_seeding:
    if time.monotonic() - began > 120:
        sys.exit("it did not come within two minutes")
    time.sleep(0.005)
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.monotonic() - began, used.ru_utime + used.ru_stime)
