"""Seeds one torrent with libtorrent on loopback alone: libtorrent-seed.py <torrent file> <folder of the content>. Ends when its input does."""
import sys
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
params.flags = lt.torrent_flags.seed_mode
session.add_torrent(params)
sys.stdin.read()
