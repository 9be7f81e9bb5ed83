/**
 * A longer line than loopback, as a process of its own: passes TCP connections on to `target` with a delay each way and, from
 * there, at a rate. Says its port; ends with its parent.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Line {
  readonly target: number
  /** Each way: half of a round trip. */
  readonly delayMs: number
  readonly bytesPerSecond: number | null
}

/** What waits on the line at most, before it is let no more on to it: little, as what waits here cannot be taken back. */
const mostWaiting = { unlimited: 32 * 1024 * 1024, seconds: 0.05 }

function pass(from: Socket, to: Socket, { delayMs, bytesPerSecond }: Line): void {
  const most = bytesPerSecond === null ? mostWaiting.unlimited : bytesPerSecond * (mostWaiting.seconds + delayMs / 1_000)
  const queue: { readonly due: number; readonly chunk: Buffer }[] = []
  let [waiting, freeAt] = [0, 0]
  let timer: NodeJS.Timeout | null = null

  const deliver = () => {
    timer = null
    for (let next = queue[0]; next && next.due <= performance.now(); next = queue[0]) {
      queue.shift()
      waiting -= next.chunk.length
      to.write(next.chunk)
    }
    if (waiting < most) from.resume()
    if (queue[0]) timer = setTimeout(deliver, Math.max(0, queue[0].due - performance.now()))
  }
  from.on('data', (data: Buffer) => {
    for (let at = 0; at < data.length; at += 16_384) {
      const chunk = data.subarray(at, at + 16_384)
      const now = performance.now()
      freeAt = Math.max(freeAt, now) + (bytesPerSecond === null ? 0 : (chunk.length / bytesPerSecond) * 1_000)
      queue.push({ due: freeAt + delayMs, chunk })
      waiting += chunk.length
    }
    if (waiting >= most) from.pause()
    if (!timer) deliver()
  })
  from.on('error', () => {}).on('close', () => setTimeout(() => to.destroy(), delayMs))
}

process.once('message', (line: Line) => {
  const server = createServer({ noDelay: true }, (caller) => {
    // The answer to a call takes a round trip too: nothing is heard of before one way, nothing passes before both.
    setTimeout(() => {
      const called = connect({ port: line.target, host: '127.0.0.1', noDelay: true })
      pass(caller, called, { ...line, delayMs: line.delayMs, bytesPerSecond: null })
      pass(called, caller, line)
    }, 2 * line.delayMs)
  }).listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
})
process.once('disconnect', () => process.exit())
