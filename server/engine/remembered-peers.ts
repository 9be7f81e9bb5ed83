import { readFile, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Wire } from 'webtorrent'

/** Beside the segments: addresses of peers that have sent verified pieces, the latest first, one a line. */
const fileName = 'peers'
/** As many as are called before a tracker answers; few, so that the file stays small and a swarm long gone costs little. */
const most = 20
/** An IPv6 address in brackets with its port, and then some. */
const mostBytes = most * 64

/** Those remembered of a torrent; whoever calls them checks the addresses as those from anywhere else. Never rejects. */
export async function rememberedPeers(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, fileName), 'latin1').catch(() => '')
  if (text.length > mostBytes) return []
  return [...new Set(text.split('\n').filter((line) => partsOf(line) !== null))].slice(0, most)
}

/** Never rejects: without them a start takes a little longer. */
export async function rememberPeers(folder: string, peers: readonly string[]): Promise<void> {
  await writeFile(join(folder, fileName), peers.slice(0, most).join('\n'), { mode: 0o600 }).catch(() => {})
}

/** Host and port of `1.2.3.4:5` or `[::1]:5`; null for anything else. */
export function partsOf(peer: string): { host: string; port: number } | null {
  const [, v6, v4, digits] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(peer) ?? []
  const [host, port] = [v6 ?? v4 ?? '', Number(digits)]
  return isIP(host) === (v6 === undefined ? 4 : 6) && port > 0 && port < 65_536 ? { host, port } : null
}

/** The peers of a torrent that are worth calling first another time. */
export class GoodPeers {
  #folder: string
  /** The latest last. */
  #addresses: Set<string>
  #saving: Promise<void> = Promise.resolve()

  static async of(folder: string): Promise<GoodPeers> {
    return new GoodPeers(folder, await rememberedPeers(folder))
  }

  private constructor(folder: string, latestFirst: readonly string[]) {
    this.#folder = folder
    this.#addresses = new Set(latestFirst.toReversed())
  }

  /** The latest first. */
  get addresses(): string[] {
    return [...this.#addresses].reverse()
  }

  /** Writes down who sent a piece that was right, if it can be called again: not who called us, from whatever port. */
  add(wires: Iterable<Wire>): void {
    const before = this.#addresses.size
    for (const { type, remoteAddress, remotePort } of wires) {
      if (type !== 'tcpOutgoing' || remoteAddress === undefined || remotePort === undefined) continue
      const peer = remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`
      this.#addresses.delete(peer)
      this.#addresses.add(peer)
    }
    if (this.#addresses.size > before) this.#saving = this.#saving.then(() => rememberPeers(this.#folder, this.addresses))
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#saving
  }
}
