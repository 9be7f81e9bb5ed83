/** torrent-stream behind the few lines of HTTP that peerflix puts before it. */
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { npmPeers } from '../../peers/presence.ts'
import type { Answer, Command } from './contenders.ts'

interface Engine {
  readonly files: readonly { readonly length: number; createReadStream(range: { start: number; end: number }): NodeJS.ReadableStream & { destroy(): void } }[]
  on(event: 'ready', then: () => void): void
  remove(done: () => void): void
  destroy(done: () => void): void
}
type TorrentStream = (torrent: Buffer, options: object) => Engine
const torrentStream = createRequire(npmPeers)('torrent-stream') as TorrentStream

let engine: Engine | null = null
const server = createServer((request, response) => {
  const begun = engine
  if (!begun) return void response.writeHead(404).end()
  // peerflix listens once it is ready; here who asks too early waits
  const send = () => {
    const [file] = begun.files
    if (!file) return void response.writeHead(404).end()
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.writeHead(206, { 'content-type': 'video/mp4', 'content-length': file.length - start, 'content-range': `bytes ${start}-${file.length - 1}/${file.length}` })
    const bytes = file.createReadStream({ start, end: file.length - 1 })
    bytes.pipe(response)
    response.once('close', () => bytes.destroy())
  }
  if (begun.files.length > 0) send()
  else begun.on('ready', send)
}).listen(0, '127.0.0.1')

const say = (said: Answer) => process.send?.(said)
process.on('message', (command: Command) => {
  if (command === 'end') {
    const ending = engine
    engine = null
    ending?.remove(() => ending.destroy(() => say('ended')))
    return
  }
  engine = torrentStream(Buffer.from(command.torrentFile), { dht: false, path: command.folder, verify: true })
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` })
})
process.once('disconnect', () => process.exit())
say('ready')
