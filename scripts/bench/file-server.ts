/**
 * What streaming is compared with: a plain Node server of one file, as a process of its own: `createReadStream`, or, told `loop`, the least that
 * Node can do: two buffers, filled side by side and written in turn. Says its port; ends with its parent.
 */
import { createReadStream, openSync, read, statSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const [file, how] = process.argv.slice(2)
if (!file || !process.send) throw new Error('bench.ts starts this')
const { size } = statSync(file)
const chunkBytes = 1024 * 1024
const descriptor = openSync(file, 'r')
const kept: Buffer[] = []

const server = createServer((_request, answer) => {
  answer.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
  if (how === 'loop') loop(answer)
  else createReadStream(file, { highWaterMark: chunkBytes }).pipe(answer)
}).listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.once('disconnect', () => process.exit())

function loop(answer: ServerResponse): void {
  const filled = new Map<number, Buffer>()
  let [asked, sent, done] = [0, 0, 0]
  for (const buffer of [0, 1].map(() => kept.pop() ?? Buffer.allocUnsafeSlow(chunkBytes))) fill(buffer)

  function fill(buffer: Buffer): void {
    const at = asked
    asked += chunkBytes
    if (at < size) return read(descriptor, buffer, 0, chunkBytes, at, (error, count) => (error ? answer.destroy(error) : send(at, buffer.subarray(0, count))))
    kept.push(buffer)
    done += 1
    if (done === 2) answer.end()
  }

  function send(at: number, bytes: Buffer): void {
    filled.set(at, bytes)
    for (let next = filled.get(sent); next; next = filled.get(sent)) {
      const { buffer } = next
      filled.delete(sent)
      sent += chunkBytes
      answer.write(next, (error) => {
        if (!error) fill(Buffer.from(buffer))
      })
    }
  }
}
