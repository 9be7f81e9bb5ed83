/** Our engine and our answer to a range, without the ticket and its rows in the database. */
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEngine } from '../../../server/engine/client.ts'
import type { TorrentSource } from '../../../server/engine/reader.ts'
import { sendBytes } from '../../../server/http/send-bytes.ts'
import { selectRanges } from '../../../server/lib/ranges.ts'
import { parseTorrentFile } from '../../../server/lib/torrent.ts'
import type { Answer, Command } from './contenders.ts'

const dataDir = join(tmpdir(), `bench-start-engine-${process.pid}`)
await using engine = await startEngine({ settings: { dataDir, host: '127.0.0.1', port: 0, allowPrivateAddresses: true, windowBytes: 32 * 1024 * 1024, idleMs: 60_000, connectionsPerTorrent: 50 } })
let playing: { source: TorrentSource; sizeBytes: number } | null = null

const server = createServer((request, response) => {
  if (!playing) return void response.writeHead(404).end()
  const { source, sizeBytes } = playing
  const selection = selectRanges({ method: 'GET', range: request.headers.range, ifRange: undefined, etag: '"bench"', sizeBytes })
  const ranges = selection.kind === 'partial' ? selection.ranges : null
  void sendBytes(response, {
    engine, source, fileIndex: 0, sizeBytes, method: 'GET', ranges, contentType: 'video/mp4', boundary: new Uint8Array(16), firstByteMs: 60_000, stallMs: 60_000, clientStallMs: 60_000,
  })
}).listen(0, '127.0.0.1')

const say = (said: Answer) => process.send?.(said)
process.on('message', (command: Command) => {
  if (command === 'end') {
    void engine.remove(playing?.source.infoHash ?? '').then(() => say('ended'))
    return
  }
  const { torrentFile } = command
  const { infoHash, trackers, files } = parseTorrentFile(torrentFile)
  playing = { source: { infoHash, load: async () => ({ torrent: torrentFile, trackers }) }, sizeBytes: files[0]?.lengthBytes ?? 0 }
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/film.mp4` })
})
const { promise: left, resolve: leave } = Promise.withResolvers<void>()
process.once('disconnect', leave)
say('ready')
await left
server.close()
server.closeAllConnections()
await rm(dataDir, { recursive: true, force: true })
