import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { encodeBencode, type Encodable } from '../lib/bencode.ts'
import { infoHashOf } from '../lib/infohash.ts'
import { buildTorrentFile } from '../lib/torrent.ts'
import { startTestEngine } from '../test/engine.ts'
import { startSwarm } from '../test/swarm.ts'
import { startEngine, type EngineEvent } from './client.ts'

const MiB = 1024 * 1024

describe('metadata', () => {
  it('comes from the swarm by info-hash alone, the very bytes of it', async () => {
    await using swarm = await startSwarm({ name: 'folder', files: [{ path: 'a.mkv', sizeBytes: 40 * MiB }, { path: 'b.srt', sizeBytes: 10 }], pieceLength: 16_384 })
    await using engine = await startTestEngine()
    const wanted = { infoHash: swarm.infoHash, trackers: [swarm.trackerUrl], timeoutMs: 20_000 }
    const [first, second] = await Promise.all([engine.client.metadata(wanted), engine.client.metadata(wanted)])
    expect(first).toEqual(swarm.torrent.infoBytes)
    expect(second).toEqual(first)
    expect((await engine.client.stats()).torrents).toEqual([])
    expect(await readdir(engine.dataDir)).toEqual(['compiled'])
  })

  it('that nobody has is a timeout; that of an open torrent is known', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    const wanted = { infoHash: swarm.infoHash, trackers: [swarm.trackerUrl], timeoutMs: 300 }
    await expect(engine.client.metadata(wanted)).rejects.toMatchObject({ code: 'swarm_timeout' })
    await engine.client.open(swarm.source)
    expect(await engine.client.metadata(wanted)).toEqual(swarm.torrent.infoBytes)
  })

  it('searched for while the torrent is opened and read is answered from it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    const searching = engine.client.metadata({ infoHash: swarm.infoHash, trackers: [swarm.trackerUrl], timeoutMs: 30_000 })
    using reader = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 0, end: MiB })
    expect(await searching).toEqual(swarm.torrent.infoBytes)
    await swarm.startSeeder()
    expect(await reader.waitFor(0, 30_000)).toBeGreaterThan(0)
  })
})

describe('what is refused', () => {
  const info = (fields: Record<string, Encodable>) => encodeBencode(new Map(Object.entries({ 'piece length': 16_384, pieces: new Uint8Array(20), ...fields })))
  const entry = (length: number, ...path: string[]) => new Map<string, Encodable>([['length', length], ['path', path]])

  it.each([
    ['a path that leaves its folder', info({ name: 'x', files: [entry(1, '..', '..', 'etc', 'passwd')] })],
    ['an absolute name', info({ name: '/etc/passwd', length: 1 })],
    ['a piece length of 0', info({ name: 'x', length: 1, 'piece length': 0 })],
    ['200,000 nested lists', Buffer.from(`d4:name${'l'.repeat(200_000)}${'e'.repeat(200_000)}e`)],
  ])('%s, and nothing of it is on disk', async (_what, infoBytes) => {
    await using engine = await startTestEngine()
    const infoHash = infoHashOf(infoBytes)
    const source = { infoHash, load: async () => ({ torrent: buildTorrentFile(infoBytes, []), trackers: [] }) }
    await expect(engine.client.open(source)).rejects.toMatchObject({ code: 'refused' })
    using reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: 1 })
    await expect(reader.waitFor(0, 10_000)).rejects.toMatchObject({ code: 'refused' })
    expect(await readdir(engine.dataDir)).toEqual(['compiled'])
    expect(engine.events).toHaveLength(1) // and it did not crash
  })

  it('a torrent under the name of another', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    const source = { infoHash: '0'.repeat(40), load: swarm.source.load }
    await expect(engine.client.open(source)).rejects.toMatchObject({ code: 'refused' })
  })

  it.each([
    ['a file that is not there', { fileIndex: 1, start: 0, end: 1 }],
    ['more than the file holds', { fileIndex: 0, start: 0, end: MiB + 1 }],
  ])('a range of %s', async (_what, range) => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    using reader = engine.client.reader({ source: swarm.source, ...range })
    await expect(reader.waitFor(0, 10_000)).rejects.toMatchObject({ code: 'refused' })
    expect((await engine.client.stats()).torrents).toEqual([])
  })

  it('a range that is none, before the engine hears of it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    for (const [start, end] of [[5, 5], [5, 4], [-1, 4], [0, 2 ** 53], [NaN, 4]] as const) {
      expect(() => engine.client.reader({ source: swarm.source, fileIndex: 0, start, end })).toThrow(RangeError)
    }
    using reader = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 10, end: 20 })
    for (const position of [9, 20]) await expect(reader.waitFor(position, 10_000)).rejects.toThrow(RangeError)
  })

  it('what cannot be loaded fails its reader, and another try may do better', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }] })
    await using engine = await startTestEngine()
    let fails = true
    const source = { infoHash: swarm.infoHash, load: async () => (fails ? Promise.reject(new Error('the database is away')) : swarm.source.load()) }
    using reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
    await expect(reader.waitFor(0, 10_000)).rejects.toMatchObject({ code: 'internal' })
    fails = false
    using again = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
    expect(await again.waitFor(0, 30_000)).toBeGreaterThan(0)
  })
})

describe('addresses', () => {
  /** A listener on all of loopback, TCP and UDP, that counts who calls. */
  async function listener() {
    let calls = 0
    const server = createServer((socket) => {
      calls += 1
      socket.destroy()
    }).listen(0, '::')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const udp = createSocket('udp6', () => void (calls += 1)).bind(port, '::')
    await once(udp, 'listening')
    onTestFinished(() => {
      server.close()
      udp.close()
    })
    return { port, calls: () => calls }
  }

  const spelled = (port: number) => [
    ...['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0x7f000001', '0177.0.0.1', '127.0.0.1.', '[::1]', '[::ffff:127.0.0.1]', 'localhost', 'localhost.', '0.0.0.0', '%6c%6fcalhost', '①②⑦.0.0.1']
      .flatMap((host) => [`http://${host}:${port}/announce`, `https://${host}:${port}/announce`, `udp://${host}:${port}/announce`]),
    `ws://127.0.0.1:${port}`, `wss://127.0.0.1:${port}`, `http://8.8.8.8@127.0.0.1:${port}/`, `http://user:pw@localhost:${port}/`, `http:127.0.0.1:${port}`, `file://127.0.0.1:${port}/x`, `//127.0.0.1:${port}/`,
  ]

  it('on loopback are never called: not by a tracker, a web seed, a source or a peer of a torrent, in any spelling', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine({ allowPrivateAddresses: false })
    const { port, calls } = await listener()
    const urls = spelled(port)
    const torrent = encodeBencode(new Map<string, Encodable>(Object.entries({
      announce: urls[0] ?? '', 'announce-list': urls.map((url) => [url]), info: { raw: swarm.torrent.infoBytes }, nodes: [['127.0.0.1', port]],
      httpseeds: urls, 'url-list': urls, 'x.pe': `127.0.0.1:${port}`, xs: urls, as: urls,
    })))
    const source = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: urls, peers: [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, `[::ffff:127.0.0.1]:${port}`] }) }
    using reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
    await expect(reader.waitFor(0, 2_000)).rejects.toMatchObject({ code: 'swarm_timeout' })
    await expect(engine.client.metadata({ infoHash: '0'.repeat(40), trackers: urls, peers: [`127.0.0.1:${port}`], timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'swarm_timeout' })
    expect(calls()).toBe(0)
    const dropped = engine.events.find(({ event }) => event === 'trackers_dropped')?.detail?.split(',') ?? []
    expect(dropped).toHaveLength(new Set(urls).size)
  })

  it('on loopback are called where private ones are allowed, and web seeds and sources not even then', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine()
    const [tracker, peer, seed] = [await listener(), await listener(), await listener()]
    const url = `http://127.0.0.1:${seed.port}/`
    const torrent = encodeBencode(new Map<string, Encodable>(Object.entries({ info: { raw: swarm.torrent.infoBytes }, httpseeds: [url], 'url-list': url, xs: url })))
    const source = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [`http://127.0.0.1:${tracker.port}/announce`], peers: [`127.0.0.1:${peer.port}`] }) }
    using _reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
    await vi.waitFor(() => expect([tracker.calls() > 0, peer.calls() > 0]).toEqual([true, true]), { timeout: 10_000 })
    expect(seed.calls()).toBe(0)
  })

  it('that it listens on are the one it was told', async () => {
    await using engine = await startTestEngine()
    const { port } = engine.client.listening() ?? { port: 0 }
    const reaches = async (host: string) => {
      const socket = connect(port, host)
      try {
        await once(socket, 'connect')
        return true
      } catch {
        return false
      } finally {
        socket.destroy()
      }
    }
    expect(await reaches('127.0.0.1')).toBe(true)
    expect(await reaches('127.0.0.2')).toBe(false) // a listener on all interfaces answers here
  })
})

it('its environment holds no secret: nothing of its parent is in it', async ({ skip }) => {
  skip(process.platform !== 'linux', 'only Linux shows the environment of a process')
  await using engine = await startTestEngine()
  const environment = await readFile(`/proc/${engine.client.listening()?.pid}/environ`, 'utf8')
  expect(environment.split('\0').filter(Boolean).map((line) => line.split('=')[0]).sort()).toEqual(['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'NODE_COMPILE_CACHE', 'NODE_ENV'])
})

it('it reads its code and its folder, writes its folder, and starts nothing', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'engine-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const outside = `${dataDir}-outside`
  const attempts = {
    'write outside': `fs.writeFileSync(${JSON.stringify(outside)}, 'x')`,
    'read a secret': `fs.readFileSync('/etc/passwd')`,
    'start a program': `(await import('node:child_process')).execFileSync('true')`,
    'start a worker': `new (await import('node:worker_threads')).Worker('', { eval: true })`,
    'write inside': `fs.writeFileSync(${JSON.stringify(join(dataDir, 'x'))}, 'x')`,
  }
  const script = `import fs from 'node:fs'; ${Object.entries(attempts).map(([what, code]) =>
    `try { ${code}; console.log(${JSON.stringify(what)}) } catch (error) { console.log(${JSON.stringify(what)}, error.code) };`).join('')}`
  const events: EngineEvent[] = []
  await using _engine = await startEngine({
    settings: { dataDir, host: '127.0.0.1', port: 0, allowPrivateAddresses: false, cacheBytes: 64 * MiB, publishedBytes: 0, freeSpaceBytes: 0, windowBytes: MiB, idleMs: 0, connectionsPerTorrent: 5 },
    nodeArguments: ['--import', `data:text/javascript,${encodeURIComponent(script)}`],
    onEvent: (event) => events.push(event),
  })
  const said = events.flatMap(({ event, detail }) => (event === 'engine_output' ? detail ?? [] : []))
  expect(said).toEqual(['write outside', 'read a secret', 'start a program', 'start a worker'].map((what) => `${what} ERR_ACCESS_DENIED`).concat('write inside'))
})
