import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { expect, it, onTestFinished, test, vi } from 'vitest'
import type { Torrent } from 'webtorrent'
import { encodeBencode, type Encodable } from '../lib/bencode.ts'
import { infoHashOf } from '../lib/infohash.ts'
import { dialPeer, message, startPeer } from '../test/scripted-peer.ts'
import { EngineSettings } from './contract.ts'
import { createReach, type Reach } from './reach.ts'
import { Seeds } from './seeds.ts'
import { joinSwarm } from './swarm-client.ts'
import { raiseWall } from './wall.ts'

/** As in production, but that 127.0.0.2 stands for the public internet; the rest of loopback is what must not be reached. */
const reach: Reach = {
  ...createReach({ allowPrivateAddresses: false }),
  mayReach: (address) => address === '127.0.0.2',
  lookup: (host, options, done) => (options.all ? done(null, [{ address: host, family: 4 }]) : done(null, host, 4)),
}
const settings = EngineSettings.parse({ dataDir: '/nowhere', host: '127.0.0.1', port: 0, allowPrivateAddresses: false, cacheBytes: 1, publishedBytes: 0, freeSpaceBytes: 0, windowBytes: 1, idleMs: 0, connectionsPerTorrent: 10, discovery: { dht: false, pex: true, lsd: false, upnp: false } })

async function join(trackers: string[], infoHash = randomBytes(20).toString('hex')) {
  const client = await joinSwarm(settings, reach, new Seeds({ isPublished: () => false, wake: async () => {} }), () => {})
  onTestFinished(() => new Promise<void>((resolve) => client.destroy(() => resolve())))
  const torrent = client.add({ infoHash, announce: trackers, urlList: [], peerAddresses: [] }, { deselect: true })
  return { client, torrent, infoHash, heard: heardBy(torrent) }
}

function heardBy(torrent: Torrent): () => number {
  let heard = 0
  torrent.on('infoHash', () => {
    const { addPeer } = torrent
    torrent.addPeer = (peer, source) => {
      heard += 1
      return addPeer.call(torrent, peer, source)
    }
  })
  return () => heard
}

async function forbidden() {
  let calls = 0
  const server = createServer((socket) => {
    calls += 1
    socket.destroy()
  }).listen(0, '::')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, calls: () => calls }
}

const compact = (address: number[], port: number) => Buffer.from([...address, port >> 8, port & 255])
const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]
const asDicts = (port: number) => [
  '127.0.0.1', 'localhost', '127.1', '2130706433', '0x7f000001', '::1', '[::1]', '::ffff:127.0.0.1', '127.0.0.1.', '127.0.0.2@127.0.0.1', 'rebind.example.net', '127.0.0.1%lo', '0.0.0.0',
].map((ip) => new Map<string, Encodable>([['ip', ip], ['port', port]]))

test.each<[string, (port: number) => Record<string, Encodable>]>([
  ['six bytes each', (port) => ({ peers: Buffer.concat([compact([127, 0, 0, 1], port), compact([127, 0, 0, 3], port), compact([0, 0, 0, 0], port)]) })],
  ['eighteen bytes each', (port) => ({ peers: '', peers6: Buffer.concat([compact([...Array<number>(15).fill(0), 1], port), compact(mapped, port)]) })],
  ['dictionaries', (port) => ({ peers: asDicts(port) })],
])('peers of a tracker that may not be reached are not, by %s', async (_how, answer) => {
  using _wall = raiseWall(reach)
  const { port, calls } = await forbidden()
  const tracker = createHttpServer((_request, response) => void response.end(encodeBencode(new Map(Object.entries(answer(port)))))).listen(0, '127.0.0.2')
  await once(tracker, 'listening')
  onTestFinished(() => void tracker.close())
  const { heard, torrent } = await join([`http://127.0.0.2:${(tracker.address() as AddressInfo).port}/announce`])
  await vi.waitFor(() => expect(heard()).toBeGreaterThan(1))
  expect([torrent._peers.size, calls()]).toEqual([0, 0])
})

it('nor those that a peer tells of (BEP 11)', async () => {
  using _wall = raiseWall(reach)
  const { port, calls } = await forbidden()
  const infoHash = infoHashOf(randomBytes(20))
  const added = Buffer.concat([compact([127, 0, 0, 1], port), compact([127, 0, 0, 9], port)])
  await using peer = await startPeer({
    infoHash,
    onGreeted: (wire) => {
      wire.extended(new Map([['m', new Map([['ut_pex', 5]])]]))
      wire.extended(new Map<string, Encodable>([['added', added], ['added6', compact(mapped, port)]]), 2)
    },
  }, '127.0.0.2')
  const { heard, torrent } = await join([], infoHash)
  await once(torrent, 'infoHash')
  await vi.waitFor(() => expect(torrent.addPeer(peer.address)).toBe(true))
  await vi.waitFor(() => expect(heard()).toBe(4))
  expect([torrent._peers.size, calls()]).toEqual([1, 0])
})

it('nor is anybody from there let in, while others are', async () => {
  const { client, torrent, infoHash } = await join([])
  await once(torrent, 'infoHash')
  const greeted: string[] = []
  const dial = (from: string) => dialPeer(client.torrentPort, { infoHash, onMessage: (_wire, id) => { if (id === message.extended) greeted.push(from) } }, from)
  const [outsider, member] = [await dial('127.0.0.3').catch(() => null), await dial('127.0.0.2')]
  await vi.waitFor(() => expect(greeted).toEqual(['127.0.0.2']))
  await vi.waitFor(() => expect(outsider?.socket.closed ?? true).toBe(true))
  member.socket.destroy()
})
