/** What streaming is compared with: a plain Node server of one file, as a process of its own. Says its port; ends with its parent. */
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const [file] = process.argv.slice(2)
if (!file || !process.send) throw new Error('bench.ts starts this')
const { size } = statSync(file)
const server = createServer((_request, answer) => {
  answer.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
  createReadStream(file, { highWaterMark: 1024 * 1024 }).pipe(answer)
}).listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.once('disconnect', () => process.exit())
