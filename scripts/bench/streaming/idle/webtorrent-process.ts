/** webtorrent with torrents added that nobody reads: says its memory before and with them. Ends with its parent. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import WebTorrent from 'webtorrent'

const client = new WebTorrent({ dht: false, lsd: false, utPex: false, natUpnp: false, natPmp: false, utp: false, webSeeds: false, secure: 0, tracker: {}, maxConns: 50, torrentPort: { host: '127.0.0.1', port: 0 } })
process.once('disconnect', () => process.exit())
const [{ torrentFiles, folder }] = (await once(process, 'message')) as [{ torrentFiles: Uint8Array[]; folder: string }]
const before = await memory()
const adding = torrentFiles.map(async (torrentFile) => {
  const torrent = client.add(torrentFile, { path: folder, deselect: true })
  if (!torrent.ready) await once(torrent, 'ready')
})
await Promise.all(adding)
process.send?.({ before, after: await memory() })

async function memory(): Promise<{ rssBytes: number; heapBytes: number }> {
  for (let round = 0; round < 4; round += 1) {
    await globalThis.gc?.({ execution: 'async', type: 'major', flavor: 'last-resort' })
    await turn()
  }
  const { rss, heapUsed } = process.memoryUsage()
  return { rssBytes: rss, heapBytes: heapUsed }
}
