import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { EngineError } from '../engine/contract.ts'
import { selectRanges, unsatisfiedContentRange } from '../lib/ranges.ts'
import { readThrough, startTestEngine, type TestEngine } from '../test/engine.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import { sendBytes, type Sent } from './send-bytes.ts'

const MiB = 1024 * 1024
const etag = '"of-this-content"'
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let engine: TestEngine
/** Whole on disk: a film and an empty file. */
let stored: Swarm
beforeAll(async () => {
  engine = await startTestEngine()
  stored = await startSwarm({ name: 'stored', files: [{ path: 'film.mp4', sizeBytes: 40 * MiB }, { path: 'empty', sizeBytes: 0 }], pieceLength: MiB })
  await readThrough(engine.client, stored)
})
afterAll(async () => {
  await stored[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** What a request is answered with; tests change it. */
let serve: { swarm: Swarm; fileIndex: number; limits: { firstByteMs?: number; stallMs?: number; clientStallMs?: number; signal?: AbortSignal } }
let sent: Sent[]
let served: number
let server: Server
let origin: { host: string; port: number }
beforeEach(async () => {
  serve = { swarm: stored, fileIndex: 0, limits: {} }
  sent = []
  served = 0
  server = createServer((incoming, response) => void answer(incoming, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { swarm, fileIndex, limits } = serve
  const sizeBytes = swarm.files[fileIndex]?.sizeBytes ?? 0
  const method = incoming.method === 'HEAD' ? 'HEAD' : 'GET'
  const selection = selectRanges({ method, range: incoming.headers.range, ifRange: incoming.headers['if-range'] as string | undefined, etag, sizeBytes })
  if (selection.kind === 'unsatisfiable') return void response.writeHead(416, { 'content-range': unsatisfiedContentRange(sizeBytes) }).end()
  try {
    const outcome = await sendBytes(response, {
      engine: engine.client, source: swarm.source, fileIndex, sizeBytes, method, ranges: selection.kind === 'partial' ? selection.ranges : null,
      contentType: 'video/mp4', boundary: randomBytes(16), headers: { etag }, firstByteMs: 20_000, stallMs: 20_000, clientStallMs: 20_000, onBytes: (count) => { served += count }, ...limits,
    })
    sent.push(outcome)
    if (!response.headersSent) response.writeHead(403).end()
  } catch (error) {
    response.writeHead(error instanceof EngineError && error.code === 'swarm_timeout' ? 504 : 500).end()
  }
}

interface Answer { status: number | undefined; headers: IncomingMessage['headers']; body: Buffer }
async function ask(headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const outgoing = request({ ...origin, method, headers, agent: false }).end()
  const [incoming] = await once(outgoing, 'response') as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return { status: incoming.statusCode, headers: incoming.headers, body: Buffer.concat(chunks) }
}
/** An answer whose body has been begun and is not read on. */
async function begin(headers: Record<string, string> = {}) {
  const outgoing = request({ ...origin, headers, agent: false }).end()
  const [incoming] = await once(outgoing, 'response') as [IncomingMessage]
  return { outgoing, incoming }
}
const film = () => stored.files[0] as NonNullable<Swarm['files'][0]>
const expected = async (start: number, end: number) => Buffer.from(await film().read(start, end - start + 1))

describe('a stored file', () => {
  it('is sent whole', async () => {
    const { status, headers, body } = await ask()
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'content-length': String(40 * MiB), 'content-type': 'video/mp4', 'accept-ranges': 'bytes', etag })
    expect(headers['content-range']).toBeUndefined()
    expect(sha256(body)).toBe(film().sha256)
    expect(sent).toEqual([{ outcome: 'complete', bytes: 40 * MiB }])
    expect(served).toBe(40 * MiB)
  })

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=100-199', 100, 199],
    ['bytes=-1000', 40 * MiB - 1000, 40 * MiB - 1],
    [`bytes=${40 * MiB - 5}-`, 40 * MiB - 5, 40 * MiB - 1],
    [`bytes=${32 * MiB - 1000}-${32 * MiB + 1_999_999}`, 32 * MiB - 1000, 32 * MiB + 1_999_999], // across segments
    [`bytes=${39 * MiB}-99999999999`, 39 * MiB, 40 * MiB - 1],
  ])('%s', async (range, start, end) => {
    const { status, headers, body } = await ask({ range })
    expect(status).toBe(206)
    expect(headers).toMatchObject({ 'content-length': String(end - start + 1), 'content-range': `bytes ${start}-${end}/${40 * MiB}`, 'content-type': 'video/mp4' })
    expect(body.equals(await expected(start, end))).toBe(true)
  })

  it('is sent whole where the range is to be ignored', async () => {
    expect((await ask({ range: 'bytes=0-9', 'if-range': '"another"' })).body.length).toBe(40 * MiB)
    expect((await ask({ range: 'bytes=0-9', 'if-range': etag })).body.length).toBe(10)
  })

  it('is sent in parts', async () => {
    const parts: [number, number][] = [[0, 9], [MiB, 2 * MiB], [40 * MiB - 3, 40 * MiB - 1]]
    const { status, headers, body } = await ask({ range: `bytes=${parts.map(([start, end]) => `${start}-${end}`).join()}` })
    expect(status).toBe(206)
    expect(headers['content-range']).toBeUndefined()
    expect(headers['content-length']).toBe(String(body.length))
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(headers['content-type'] ?? '')?.[1]
    const whole = Buffer.concat([
      ...(await Promise.all(parts.map(async ([start, end], i) => [Buffer.from(`${i ? '\r\n' : ''}--${boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes ${start}-${end}/${40 * MiB}\r\n\r\n`), await expected(start, end)]))).flat(),
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ])
    expect(body.equals(whole)).toBe(true)
    expect(served).toBe(10 + MiB + 1 + 3)
  })

  it('answers HEAD with the head of the whole, and no body', async () => {
    const { status, headers, body } = await ask({ range: 'bytes=0-9' }, 'HEAD')
    expect([status, headers['content-length'], body.length]).toEqual([200, String(40 * MiB), 0])
  })

  it('may be empty', async () => {
    serve.fileIndex = 1
    const { status, headers, body } = await ask()
    expect([status, headers['content-length'], body.length]).toEqual([200, '0', 0])
  })

  it('comes right to many at once, however slowly each reads: no buffer is filled again before it is sent', async () => {
    const hashes = await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      const [start, end] = [i * MiB, (i + 5) * MiB - 1]
      const { incoming } = await begin({ range: `bytes=${start}-${end}` })
      const hash = createHash('sha256')
      let until = 0
      for await (const chunk of incoming) {
        hash.update(chunk as Buffer)
        until += (chunk as Buffer).length
        if (until > MiB / 2) await setImmediate().then(() => { until = 0 })
      }
      return [start, end, hash.digest('hex')] as const
    }))
    for (const [start, end, hash] of hashes) expect(hash).toBe(sha256(await expected(start, end)))
  })

  it('answers requests in a row on one connection, pipelined', async () => {
    const socket = connect(origin)
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    for (const range of ['0-9', '5-7']) socket.write(`GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=${range}\r\n\r\n`)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=1-1\r\n\r\n')
    await once(socket, 'close')
    const all = Buffer.concat(chunks).toString('latin1').split(/(?=HTTP\/1\.1 )/).map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4))
    expect(all).toEqual(await Promise.all([[0, 9], [5, 7], [1, 1]].map(async ([start = 0, end = 0]) => (await expected(start, end)).toString('latin1'))))
  })

  it('answers HTTP/1.0', async () => {
    const socket = connect(origin)
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.write('GET / HTTP/1.0\r\nRange: bytes=3-5\r\n\r\n')
    await once(socket, 'close')
    const answer = Buffer.concat(chunks)
    expect(answer.subarray(-3).equals(await expected(3, 5))).toBe(true)
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 206 .*\r\ncontent-length: 3\r\n/is)
    expect(answer.toString('latin1').toLowerCase()).not.toContain('transfer-encoding')
  })
})

describe('a player', () => {
  const readers = async () => (await engine.client.stats()).torrents.reduce((sum, torrent) => sum + torrent.readers, 0)

  it('that takes nothing is sent nothing more than its socket holds', async () => {
    const { incoming } = await begin()
    await stopsGrowing(() => served)
    expect(served).toBeLessThan(20 * MiB)
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    expect(sha256(Buffer.concat(chunks))).toBe(film().sha256)
  })

  it('that takes nothing for too long is let go', async () => {
    serve.limits = { clientStallMs: 200 }
    const { incoming } = await begin()
    await vi.waitFor(() => expect(sent).toMatchObject([{ outcome: 'stalled' }]), { timeout: 20_000 })
    await breaks(incoming)
    expect(await readers()).toBe(0)
  })

  it('that goes away lets go of what it asked for', async () => {
    const { outgoing } = await begin()
    outgoing.destroy()
    await vi.waitFor(() => expect(sent).toMatchObject([{ outcome: 'client_gone' }]), { timeout: 10_000 })
    expect(await readers()).toBe(0)
    expect(served).toBe(sent[0]?.bytes)
  })

  it('that goes away before the first byte lets go too', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: MiB }], seeding: false })
    serve.swarm = swarm
    const outgoing = request({ ...origin, agent: false }).on('error', () => {}).end()
    await vi.waitFor(async () => expect(await readers()).toBe(1), { timeout: 10_000 })
    outgoing.destroy()
    await vi.waitFor(() => expect(sent).toEqual([{ outcome: 'client_gone', bytes: 0 }]), { timeout: 10_000 })
    expect(await readers()).toBe(0)
    await engine.client.remove(swarm.infoHash)
  })

  it('whose right ends in the middle is cut off at once', async () => {
    const right = new AbortController()
    serve.limits = { signal: right.signal }
    const { incoming } = await begin()
    right.abort()
    await breaks(incoming)
    await vi.waitFor(() => expect(sent).toMatchObject([{ outcome: 'revoked' }]), { timeout: 10_000 })
    expect(await readers()).toBe(0)
  })

  it('whose right ends before the first byte can be told so', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: MiB }], seeding: false })
    const right = new AbortController()
    serve = { swarm, fileIndex: 0, limits: { signal: right.signal } }
    const answer = ask()
    await vi.waitFor(async () => expect(await readers()).toBe(1), { timeout: 10_000 })
    right.abort()
    expect((await answer).status).toBe(403)
    expect((await ask()).status).toBe(403) // and so is one who comes after
    await engine.client.remove(swarm.infoHash)
  })
})

describe('a swarm', () => {
  it('that gives no first byte in time leaves room for 504; HEAD does not ask it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: MiB }], seeding: false })
    serve = { swarm, fileIndex: 0, limits: { firstByteMs: 200 } }
    expect((await ask()).status).toBe(504)
    expect((await ask({}, 'HEAD')).headers['content-length']).toBe(String(MiB))
    expect(sent).toMatchObject([{ outcome: 'complete', bytes: 0 }])
    await engine.client.remove(swarm.infoHash)
  })

  it('that stalls in the middle closes the connection; the next range goes on when it is back', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mp4', sizeBytes: 16 * MiB }], pieceLength: 128 * 1024, rateBytesPerSecond: 4_000_000, seed: randomUUID() })
    serve = { swarm, fileIndex: 0, limits: { stallMs: 300 } }
    const { incoming } = await begin()
    const chunks: Buffer[] = []
    const reading = (async () => { for await (const chunk of incoming) chunks.push(chunk as Buffer) })()
    const broken = expect(reading).rejects.toThrow()
    await vi.waitFor(() => expect(served).toBeGreaterThan(MiB), { timeout: 20_000 })
    await swarm.killSeeder()
    await broken
    expect(sent).toMatchObject([{ outcome: 'stalled' }])
    await swarm.startSeeder()
    serve.limits = {}
    const had = Buffer.concat(chunks)
    const rest = await ask({ range: `bytes=${had.length}-` })
    expect(rest.status).toBe(206)
    expect(sha256(Buffer.concat([had, rest.body]))).toBe(swarm.files[0]?.sha256)
    await engine.client.remove(swarm.infoHash)
  })

  it('whose torrent is removed in the middle closes the connection', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mp4', sizeBytes: 16 * MiB }], rateBytesPerSecond: 2_000_000, seed: randomUUID() })
    serve.swarm = swarm
    const { incoming } = await begin()
    const broken = breaks(incoming)
    await engine.client.remove(swarm.infoHash)
    await broken
    expect(sent).toMatchObject([{ outcome: 'failed', error: { code: 'removed' } }])
  })
})

/** Reads on, to the end that must not come. */
const breaks = (incoming: IncomingMessage) => expect(once(incoming.resume(), 'end')).rejects.toThrow('aborted')

/** Resolves once a figure has stayed the same for a quarter of a second. */
async function stopsGrowing(figure: () => number): Promise<void> {
  let last = -1
  await vi.waitFor(() => {
    const same = figure() === last
    last = figure()
    if (!same || last === 0) throw new Error('still growing')
  }, { timeout: 20_000, interval: 250 })
}
