import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, test, vi } from 'vitest'
import { encodeBencode, type Encodable } from '../lib/bencode.ts'
import { startTestEngine, type TestEngine } from '../test/engine.ts'
import { seeding, startPeer } from '../test/scripted-peer.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'

const MiB = 1024 * 1024
const dict = (fields: Record<string, Encodable>) => new Map(Object.entries(fields))

/** A tracker that answers as it likes; `url` ends where announces go. */
async function httpTracker(answer: RequestListener, host = '127.0.0.1') {
  let asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked = [...asked, request]
    answer(request, response)
  }).listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/announce`, asked: () => asked }
}

async function udpTracker(answer: (message: Buffer, send: (bytes: Buffer) => void) => void) {
  const socket: UdpSocket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  socket.on('message', (message, { port, address }) => answer(message, (bytes) => socket.send(bytes, port, address)))
  return { url: `udp://127.0.0.1:${socket.address().port}` }
}

const compact = (...peers: string[]) => Buffer.concat(peers.map((peer) => {
  const [host = '', port] = peer.split(':')
  const bytes = Buffer.alloc(6)
  host.split('.').forEach((part, at) => bytes.writeUInt8(Number(part), at))
  bytes.writeUInt16BE(Number(port), 4)
  return bytes
}))

function reading(engine: TestEngine, swarm: Swarm, trackers: string[]) {
  const source = { infoHash: swarm.infoHash, load: async () => ({ torrent: swarm.torrentFile, trackers }) }
  return engine.client.reader({ source, fileIndex: 0, start: 0, end: swarm.files[0]?.sizeBytes ?? 0 })
}

describe('a tracker', () => {
  it.each(['peers in six bytes each', 'peers as dictionaries', 'peers by UDP'])('tells of %s, and hears what BEP 3 asks for', async (how) => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    await using seeder = await startPeer(seeding(swarm), '127.0.0.2')
    const [host = '', port] = seeder.address.split(':')
    const peers = how.includes('dictionaries') ? [dict({ ip: host, port: Number(port), 'peer id': 'x'.repeat(20) })] : compact(seeder.address)
    const http = await httpTracker((_request, response) => response.end(encodeBencode(dict({ interval: 60, peers }))))
    const udp = await udpTracker((message, send) => {
      const asked = message.readUInt32BE(8)
      const transaction = message.subarray(12, 16)
      if (asked === 0) send(Buffer.concat([Buffer.alloc(4), transaction, Buffer.from('connects')]))
      else send(Buffer.concat([Buffer.from('00000001', 'hex'), transaction, Buffer.alloc(12), compact(seeder.address)]))
    })
    using reader = reading(engine, swarm, [how.includes('UDP') ? udp.url : http.url])
    expect(await reader.waitFor(0, 30_000)).toBeGreaterThan(0)
    if (how.includes('UDP')) return
    const query = http.asked()[0]?.url ?? ''
    expect(query).toContain(`info_hash=${swarm.infoHash.replaceAll(/../g, '%$&')}&peer_id=%`)
    expect(query).toMatch(new RegExp(`&port=${engine.client.listening()?.port}&.*&left=${MiB}&.*&event=started$`))
    reader.release()
  })

  it('hears that we are gone, when the torrent is', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    const tracker = await httpTracker((_request, response) => response.end(encodeBencode(dict({ interval: 60, peers: '' }))))
    using _reader = reading(engine, swarm, [tracker.url])
    await vi.waitFor(() => expect(tracker.asked()).toHaveLength(1))
    await engine.client.stats()
    await engine.client.remove(swarm.infoHash)
    await vi.waitFor(() => expect(tracker.asked().at(-1)?.url).toContain('event=stopped'))
  })
})

describe('a hostile tracker', () => {
  let engine: TestEngine
  const closing = new AsyncDisposableStack()
  beforeAll(async () => { engine = closing.use(await startTestEngine()) })
  afterAll(() => closing.disposeAsync())

  const stalled = (response: ServerResponse) => void response.writeHead(200, { 'content-length': '100' }).write('d')
  const endless = (response: ServerResponse) => {
    const write = () => {
      let more = true
      while (more && !response.destroyed) more = response.write(Buffer.alloc(65_536, 'd'))
      response.once('drain', write)
    }
    write()
  }

  test.each<[string, (response: ServerResponse) => void]>([
    ['answers nothing', (response) => void response.end()],
    ['cuts its answer short', (response) => { stalled(response); response.destroy() }],
    ['answers without end', endless],
    ['answers a bomb', (response) => void response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(50 * MiB)))],
    ['answers bencoding on which the bencode package never ends', (response) => void response.end('l-3:')],
    ['answers nested lists', (response) => void response.end('l'.repeat(200_000))],
    ['answers a number', (response) => void response.end('i5e')],
    ['answers peers that are none', (response) => void response.end(encodeBencode(dict({ peers: [0, '', [], dict({}), dict({ ip: 5, port: 'x' }), dict({ ip: 'localhost', port: 99_999 })] })))],
    ['fails with a dictionary', (response) => void response.end(encodeBencode(dict({ 'failure reason': dict({}) })))],
    ['answers headers without end', (response) => { response.socket?.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100_000)}`) }],
    ['asks to be asked again at once', (response) => void response.end(encodeBencode(dict({ interval: -1, 'min interval': 0, peers: '' })))],
  ])('that %s harms nobody', async (what, answer) => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: 100 }], seeding: false, seed: what })
    let answered = 0
    const hostile = await httpTracker((_request, response) => {
      response.once('close', () => void (answered += 1))
      answer(response)
    })
    using _reader = reading(engine, swarm, [hostile.url])
    // However it answers, within the time it is given the connection is done with; and it is not asked again at once.
    await vi.waitFor(() => expect(answered).toBe(1), { timeout: 20_000 })
    await engine.client.stats()
    expect(hostile.asked()).toHaveLength(1)
    await engine.client.remove(swarm.infoHash)
  })

  it('that answers nonsense by UDP harms nobody', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: 100 }], seeding: false, seed: 'udp' })
    let asked = 0
    const hostile = await udpTracker((message, send) => {
      asked += 1
      for (const bytes of ['', '00', '000000ff', '0000000100000000']) send(Buffer.from(bytes, 'hex'))
      send(Buffer.concat([Buffer.from('00000001', 'hex'), message.subarray(12, 16)]))
    })
    using _reader = reading(engine, swarm, [hostile.url])
    await vi.waitFor(() => expect(asked).toBe(1))
    await engine.client.stats()
    await engine.client.remove(swarm.infoHash)
  })

  it('that redirects is not followed', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false, seed: 'redirect' })
    const victim = await httpTracker((_request, response) => void response.end())
    const hostile = await Promise.all([301, 302, 303, 307, 308].map((status) => httpTracker((_request, response) => void response.writeHead(status, { location: victim.url }).end(), `127.0.0.${status - 250}`)))
    using _reader = reading(engine, swarm, hostile.map(({ url }) => url))
    await vi.waitFor(() => expect(hostile.map(({ asked }) => asked().length)).toEqual([1, 1, 1, 1, 1]))
    await engine.client.stats()
    expect(victim.asked()).toEqual([])
  })

  it('or many that are one: four at an address are asked', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false, seed: 'many' })
    const victim = await httpTracker((_request, response) => void response.end(encodeBencode(dict({ peers: '' }))))
    using reader = reading(engine, swarm, Array.from({ length: 50 }, (_, at) => `${victim.url}?${at}`))
    await expect(reader.waitFor(0, 2_000)).rejects.toMatchObject({ code: 'swarm_timeout' })
    expect(new Set(victim.asked().map(({ url }) => url?.split('&')[0])).size).toBe(4)
  })

  it('and all of them leave the engine as it was', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }] })
    using reader = reading(engine, swarm, [swarm.trackerUrl])
    expect(await reader.waitFor(0, 30_000)).toBeGreaterThan(0)
    expect(engine.events.map(({ event }) => event)).toEqual(['engine_started'])
  })
})

describe('a peer list cannot aim the engine at a victim', () => {
  /** Counts who is called on every address of loopback, at one port. */
  async function victims(port = 0) {
    const called = new Map<string, number>()
    const server = createTcpServer((socket) => {
      called.set(socket.localAddress ?? '', (called.get(socket.localAddress ?? '') ?? 0) + 1)
      socket.destroy()
    }).listen(port, '0.0.0.0')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return { port: (server.address() as AddressInfo).port, called }
  }
  const sum = (counts: Iterable<number>) => [...counts].reduce((all, count) => all + count, 0)

  it('however many addresses, announces and trackers it comes by: so many attempts at an address, four times as many at its /24', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine({ connectsPerAddress: 3 })
    const { port, called } = await victims()
    const lists = [Array.from({ length: 90 }, (_, at) => `127.9.9.${at + 1}:${port}`), Array.from({ length: 90 }, (_, at) => `127.9.8.7:${port + (at % 2 ? 0 : at)}`), [`127.9.7.1:${port}`]]
    const trackers = await Promise.all(lists.map((peers) => httpTracker((_request, response) => void response.end(encodeBencode(dict({ interval: 1, peers: compact(...peers) }))))))
    using reader = reading(engine, swarm, trackers.map(({ url }) => url))
    // Long enough for two retries of each: webtorrent connects again after one second, and after five.
    await expect(reader.waitFor(0, 8_000)).rejects.toMatchObject({ code: 'swarm_timeout' })
    const within = (network: string) => sum([...called].filter(([address]) => address.startsWith(network)).map(([, count]) => count))
    expect(Math.max(...called.values())).toBeLessThanOrEqual(3)
    expect([within('127.9.9.'), within('127.9.8.'), within('127.9.7.')]).toEqual([12, expect.toSatisfy((count: number) => count <= 3), 3])
  })

  it('nor at a port that a service has', async ({ skip }) => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    const { port, called } = await victims(28_017).catch(() => ({ port: 0, called: new Map<string, number>() }))
    skip(port === 0, 'somebody has the port')
    const tracker = await httpTracker((_request, response) => void response.end(encodeBencode(dict({ peers: compact(`127.9.6.1:${port}`, '127.9.6.2:22', '127.9.6.3:80') }))))
    using reader = reading(engine, swarm, [tracker.url])
    await expect(reader.waitFor(0, 2_000)).rejects.toMatchObject({ code: 'swarm_timeout' })
    expect(tracker.asked().length).toBeGreaterThan(0)
    expect(called.size).toBe(0)
  })
})
