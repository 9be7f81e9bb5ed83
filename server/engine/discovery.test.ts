import { randomBytes } from 'node:crypto'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { encodeBencode, type Encodable } from '../lib/bencode.ts'
import { buildTorrentFile, parseTorrentFile } from '../lib/torrent.ts'
import { startTestEngine, type TestEngine } from '../test/engine.ts'
import { message, startPeer, type ScriptedWire } from '../test/scripted-peer.ts'

const MiB = 1024 * 1024
const all = { dht: true, pex: true, lsd: true, upnp: true }

function makeTorrent(fields: Record<string, Encodable> = {}) {
  const infoBytes = encodeBencode(new Map(Object.entries({ name: 'a.mkv', length: MiB, 'piece length': 262_144, pieces: randomBytes(80), ...fields })))
  const torrent = buildTorrentFile(infoBytes, [])
  return { torrent, infoHash: parseTorrentFile(torrent).infoHash }
}

/** Reads it from a peer that only listens; what the engine said to it, and how it greeted. */
async function talk(engine: TestEngine, { torrent, infoHash }: ReturnType<typeof makeTorrent>, onGreeted: (wire: ScriptedWire) => void = () => {}) {
  const greetings: string[] = []
  const others: number[] = []
  const peer = await startPeer({
    infoHash,
    onGreeted,
    onMessage: (_wire, id, payload) => {
      if (id === message.extended && payload[0] === 0) greetings.push(payload.subarray(1).toString('latin1'))
      else if (id === message.extended) others.push(payload[0] ?? 0)
    },
  }, '127.0.0.2')
  const source = { infoHash, load: async () => ({ torrent, trackers: [], peers: [peer.address] }) }
  const reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
  await vi.waitFor(() => expect(greetings).toHaveLength(1))
  return {
    greeting: greetings[0] ?? '',
    others,
    async [Symbol.asyncDispose]() {
      reader.release()
      await peer[Symbol.asyncDispose]()
    },
  }
}

/** The UDP sockets of the engine's process, as `address:port`. */
async function udpSocketsOf(engine: TestEngine): Promise<string[]> {
  const { pid } = engine.client.listening() ?? {}
  const descriptors = await readdir(`/proc/${pid}/fd`)
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))
  const tables = await Promise.all(['udp', 'udp6'].map((table) => readFile(`/proc/${pid}/net/${table}`, 'utf8').catch(() => '')))
  return tables.flatMap((table) => table.split('\n').slice(1)).map((row) => row.trim().split(/\s+/)).filter((row) => inodes.has(row[9] ?? '')).map(([, local = '']) => {
    const [host = '', port = ''] = local.split(':')
    return `${[...Buffer.from(host, 'hex').reverse()].join('.')}:${Number.parseInt(port, 16)}`
  })
}
const linuxOnly = (skip: (condition: boolean, why: string) => void) => skip(process.platform !== 'linux', 'only Linux shows the sockets of a process')

describe('discovery that is switched off', () => {
  it('opens no UDP socket, and tells peers of none', async ({ skip }) => {
    linuxOnly(skip)
    await using engine = await startTestEngine()
    await using talked = await talk(engine, makeTorrent())
    expect(talked.greeting).not.toContain('ut_pex')
    expect(await udpSocketsOf(engine)).toEqual([])
  })
})

describe('discovery that is switched on', () => {
  it('listens where it was told, and for the local network on its port', async ({ skip }) => {
    linuxOnly(skip)
    await using engine = await startTestEngine({ discovery: { ...all, upnp: false } })
    await using talked = await talk(engine, makeTorrent())
    expect(talked.greeting).toContain('ut_pex')
    const sockets = await udpSocketsOf(engine)
    expect(sockets.filter((socket) => !socket.endsWith(':6771'))).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)])
    expect(sockets).toContain('0.0.0.0:6771')
    expect(engine.events.map(({ event }) => event)).toEqual(['engine_started'])
  })

  it('is not used for a private torrent (BEP 27)', async ({ skip }) => {
    linuxOnly(skip)
    await using engine = await startTestEngine({ discovery: { ...all, upnp: false } })
    const dhtBit: number[] = []
    const note = (wire: ScriptedWire) => void dhtBit.push((wire.handshake[27] ?? 0) & 1)
    await using talked = await talk(engine, makeTorrent({ private: 1 }), note)
    expect(talked.greeting).not.toContain('ut_pex')
    expect((await udpSocketsOf(engine)).filter((socket) => socket.endsWith(':6771'))).toEqual([])
    await using _public = await talk(engine, makeTorrent(), note)
    expect(dhtBit).toEqual([0, 1])
  })

  it('takes so many peers from peer exchange, connects to each so often, and sends none', async () => {
    await using engine = await startTestEngine({ discovery: { dht: false, pex: true, lsd: false, upnp: false }, connectsPerAddress: 2 })
    const called: string[] = []
    const victims = createServer((socket) => {
      called.push(socket.localAddress ?? '')
      socket.destroy()
    }).listen(0, '0.0.0.0')
    await vi.waitFor(() => expect(victims.listening).toBe(true))
    const { port } = victims.address() as { port: number }
    const flood = Buffer.alloc(18_000)
    for (let at = 0; at < 3_000; at += 1) Buffer.from([127, 20, 1, at & 255, port >> 8, port & 255]).copy(flood, at * 6)
    const added = Buffer.from(encodeBencode(new Map<string, Encodable>([['added', flood], ['added.f', new Uint8Array(3_000)]])))
    await using talked = await talk(engine, makeTorrent(), (wire) => {
      wire.extended(new Map([['m', new Map([['ut_pex', 7]])]]))
      const ours = 2 // the second extension that webtorrent uses
      wire.extended(added, ours)
    })
    await vi.waitFor(() => expect(called.length).toBe(8))
    await engine.client.stats()
    expect(called.length).toBe(8) // four times two of one /24
    expect(talked.others).toEqual([])
    victims.close()
  })
})
