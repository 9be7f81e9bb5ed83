import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { readThrough, startTestEngine, type TestEngine } from '../test/engine.ts'
import { dialPeer, message, seeding, startPeer, type ScriptedPeer } from '../test/scripted-peer.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import { createUploads } from './uploads.ts'

const MiB = 1024 * 1024
const blockBytes = 16_384
const portOf = (engine: TestEngine) => engine.client.listening()?.port ?? 0
const sourceOf = (swarm: Swarm, peers: readonly ScriptedPeer[]) =>
  ({ infoHash: swarm.infoHash, load: async () => ({ torrent: swarm.torrentFile, trackers: [], peers: peers.map(({ address }) => address) }) })

describe('what is sent to other peers', () => {
  /** Fetches `fetched` bytes, then lets a leech ask for all of it; how much it got when `enough` says so. */
  async function leechAfter(settings: { sharePercent?: number; uploadBytesPerSecond?: number }, fetched: number, enough: (got: number, refused: number) => boolean) {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 4 * MiB }], pieceLength: 64 * 1024, seeding: false })
    await using engine = await startTestEngine(settings)
    await using seeder = await startPeer(seeding(swarm), '127.0.0.2')
    await readThrough(engine.client, { source: sourceOf(swarm, [seeder]), files: swarm.files }, { end: fetched })
    let [got, refused, next] = [0, 0, 0]
    const began = performance.now()
    const leech = await dialPeer(portOf(engine), {
      infoHash: swarm.infoHash,
      onGreeted: (wire) => wire.send(message.interested),
      onMessage: (wire, id, payload) => {
        if (id === message.piece) got += payload.length - 8
        if (id === message.reject) refused += 1
        if (![message.unchoke, message.piece, message.reject].includes(id as 1) || next >= fetched) return
        for (const until = Math.min(next + (id === message.unchoke ? 8 : 1) * blockBytes, fetched); next < until; next += blockBytes) wire.send(message.request, [Math.floor(next / 65_536), next % 65_536, blockBytes])
      },
    }, '127.0.0.3')
    await vi.waitFor(() => expect(enough(got, refused)).toBe(true), { timeout: 20_000 })
    const seconds = (performance.now() - began) / 1_000
    leech.socket.destroy()
    return { got, seconds }
  }

  it('is nothing where nothing is to be shared', async () => {
    const { got } = await leechAfter({ sharePercent: 0 }, 2 * MiB, (_got, refused) => refused > 0)
    expect(got).toBe(0)
  })

  it('is a share of what was fetched, and a mebibyte in any case', async () => {
    const { got } = await leechAfter({ sharePercent: 50 }, 4 * MiB, (_got, refused) => refused > 0)
    expect(got).toBeGreaterThan(2.5 * MiB)
    expect(got).toBeLessThan(3.2 * MiB)
  })

  it('goes out at the rate that is set', async () => {
    const { got, seconds } = await leechAfter({ uploadBytesPerSecond: 500_000 }, 2 * MiB, (all) => all >= 1.5 * MiB)
    expect(got / seconds).toBeLessThan(650_000)
  })
})

it('paces blocks, the first ones at once, in the order they were asked for', async () => {
  const uploads = createUploads(100_000)
  const sent: number[] = []
  const began = performance.now()
  for (let at = 0; at < 10; at += 1) uploads.serve(10_000, () => sent.push(at))
  expect(sent).toEqual([0, 1, 2])
  await vi.waitFor(() => expect(sent).toHaveLength(10), { interval: 10 })
  expect(sent).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(performance.now() - began).toBeGreaterThan(600)
})

it('bytes are fetched at the rate that is set', async () => {
  await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 2 * MiB }], pieceLength: 64 * 1024, seeding: false })
  await using engine = await startTestEngine({ downloadBytesPerSecond: 800_000 })
  await using seeder = await startPeer(seeding(swarm), '127.0.0.2')
  const began = performance.now()
  await readThrough(engine.client, { source: sourceOf(swarm, [seeder]), files: swarm.files })
  expect(performance.now() - began).toBeGreaterThan(1_500)
})

describe('connections', () => {
  it('are bounded in all, and room that comes free is used', async () => {
    await using stack = new AsyncDisposableStack()
    const one = stack.use(await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: 4 * MiB }], seeding: false, seed: 'one' }))
    const two = stack.use(await startSwarm({ files: [{ path: 'b.mkv', sizeBytes: 4 * MiB }], seeding: false, seed: 'two' }))
    const engine = stack.use(await startTestEngine({ connections: 4 }))
    // Seeders that never unchoke: nothing comes, nobody goes.
    const peers = async (swarm: Swarm, network: number) => Promise.all(Array.from({ length: 6 }, async (_, at) =>
      stack.use(await startPeer({ ...seeding(swarm), onMessage: () => {} }, `127.0.${network}.${at + 1}`))))
    const [ofOne, ofTwo] = [await peers(one, 5), await peers(two, 6)]
    const live = (all: ScriptedPeer[]) => all.reduce((sum, peer) => sum + peer.live(), 0)
    using _reader = engine.client.reader({ source: sourceOf(one, ofOne), fileIndex: 0, start: 0, end: MiB })
    await vi.waitFor(() => expect(live(ofOne)).toBe(4))
    using _other = engine.client.reader({ source: sourceOf(two, ofTwo), fileIndex: 0, start: 0, end: MiB })
    await engine.client.stats()
    expect([live(ofOne), live(ofTwo)]).toEqual([4, 0])
    await engine.client.remove(one.infoHash)
    await vi.waitFor(() => expect([live(ofOne), live(ofTwo)]).toEqual([0, 4]))
  })

  it('from one address are bounded', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'a.mkv', sizeBytes: MiB }], seeding: false })
    await using engine = await startTestEngine({ connectionsPerAddress: 3 })
    using _reader = engine.client.reader({ source: sourceOf(swarm, []), fileIndex: 0, start: 0, end: MiB })
    await engine.client.stats()
    const sockets = await Promise.all(Array.from({ length: 8 }, () => callFrom(portOf(engine), '127.0.0.9')))
    await vi.waitFor(() => expect(sockets.filter(({ closed }) => closed)).toHaveLength(5))
    const other = await callFrom(portOf(engine), '127.0.0.10')
    await engine.client.stats()
    expect(other.closed).toBe(false)
    for (const socket of [...sockets, other]) socket.destroy()
  })

  it('from where the engine would not connect to itself are refused', async () => {
    await using engine = await startTestEngine({ allowPrivateAddresses: false })
    const socket = await callFrom(portOf(engine), '127.0.0.1')
    await vi.waitFor(() => expect(socket.closed).toBe(true))
    expect(socket.bytesRead).toBe(0)
  })
})

async function callFrom(port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {})
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {})
  return socket.resume()
}

it('an engine whose memory passes its bound ends, and is started anew', async () => {
  await using engine = await startTestEngine({ memoryBytes: 80 * MiB })
  await vi.waitFor(() => expect(engine.events.map(({ event }) => event)).toEqual(expect.arrayContaining(['engine_memory', 'engine_exited'])), { timeout: 20_000 })
  expect(engine.events.find(({ event }) => event === 'engine_exited')?.detail).toBe('exit code 70')
})
