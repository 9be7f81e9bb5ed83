/** The client of the benches: plain node:http over kept connections, which costs less than what it measures. */
import { Agent, get, type IncomingMessage } from 'node:http'

const agent = new Agent({ keepAlive: true, maxSockets: 64 })
export const closeConnections = (): void => agent.destroy()

type Target = { url: string; headers?: Record<string, string> }

/** Reads an answer to its end. @returns its size in bytes @throws Error for anything but 200 */
export function read({ url, headers = {} }: Target): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (answer: IncomingMessage) => {
      let bytes = 0
      answer.on('data', (chunk: Buffer) => (bytes += chunk.length))
      answer.once('error', reject)
      answer.once('end', () => (answer.statusCode === 200 ? resolve(bytes) : reject(new Error(`${new URL(url).pathname} answered ${answer.statusCode}`))))
    }).once('error', reject)
  })
}

/** `concurrency` clients ask one after the other for so long. @returns milliseconds of each request */
export async function load(concurrency: number, seconds: number, next: (count: number) => Target): Promise<number[]> {
  const samples: number[] = []
  const bound = performance.now() + seconds * 1000
  let count = 0
  const client = async () => {
    while (performance.now() < bound) {
      const target = next(count++)
      const start = performance.now()
      await read(target)
      samples.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, client))
  return samples
}

/** Megabytes (10⁶) per second of so many reading the same at once. */
export async function throughput(readers: number, target: Target): Promise<number> {
  const start = performance.now()
  const sizes = await Promise.all(Array.from({ length: readers }, () => read(target)))
  return sizes.reduce((sum, size) => sum + size, 0) / 1_000 / (performance.now() - start)
}
