/** webtorrent with its own HTTP server: uTP off, as with it a peer that speaks TCP alone takes tens of seconds; no peers but the tracker's. */
import type { AddressInfo } from 'node:net'
import WebTorrent from 'webtorrent'
import type { Answer, Command } from './contenders.ts'

const client = new WebTorrent({ dht: false, lsd: false, utPex: false, natUpnp: false, natPmp: false, utp: false, webSeeds: false, secure: 0, tracker: {}, maxConns: 50, torrentPort: { host: '127.0.0.1', port: 0 } })
const { server } = client.createServer({})
await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })

const say = (said: Answer) => process.send?.(said)
process.on('message', (command: Command) => {
  if (command === 'end') return client.torrents[0]?.destroy({ destroyStore: true }, () => say('ended'))
  const torrent = client.add(command.torrentFile, { path: command.folder, deselect: true })
  torrent.once('infoHash', () => {
    const [path] = torrent.files
    say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webtorrent/${torrent.infoHash}/${encodeURIComponent(path?.path ?? '')}` })
  })
})
process.once('disconnect', () => process.exit())
say('ready')
