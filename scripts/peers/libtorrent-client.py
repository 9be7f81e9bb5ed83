"""One torrent with libtorrent, on loopback alone, until its input ends: libtorrent-client.py seed|fetch <torrent file> <folder of the content>.
Fetches in order; says "<seconds> <CPU seconds>" when all of it is there and checked, and seeds from then on."""
import os
import resource
import sys
import threading
import time
import libtorrent as lt

what, torrent, folder = sys.argv[1:4]
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
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
params.flags = lt.torrent_flags.seed_mode if what == "seed" else lt.torrent_flags.sequential_download
began = time.monotonic()
handle = session.add_torrent(params)
while not handle.status().is_seeding:
    if time.monotonic() - began > 120:
        sys.exit("it did not come within two minutes: " + str(handle.status().errc.message()))
    time.sleep(0.005)
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.monotonic() - began, used.ru_utime + used.ru_stime, flush=True)
threading.Event().wait()
