import { once } from 'node:events'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { decodeBencode, entryOf, type Bencoded } from '../lib/bencode.ts'
import { readCompact } from './compact-peers.ts'
import { hostOf, type Announce, type Announced, type AskTracker } from './tracker.ts'

/** An answer of 200 peers with their names takes 20 kB. */
const mostBytes = 256 * 1024
const limits = { maxDepth: 4, maxValues: 5_000, anyOrder: true }

/** Announces over HTTP (BEP 3, BEP 23). A redirect is an error: whoever redirects would choose where the engine connects. */
export const askHttpTracker: AskTracker = async (url, address, announce, signal) => {
  const host = hostOf(url)
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)({
    host: address.address,
    family: address.family,
    port: url.port === '' ? undefined : url.port,
    path: `${url.pathname}${url.search}${url.search === '' ? '?' : '&'}${queryOf(announce)}`,
    headers: { host: url.host, 'user-agent': 'torrent-streamer', 'accept-encoding': 'identity' },
    agent: false,
    signal,
    ...(isIP(host) ? {} : { servername: host }),
  })
  request.end()
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage]
  request.on('error', () => {}) // of a connection that is let go of
  try {
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
    return readAnswer(decodeBencode(await readBody(response), limits))
  } finally {
    request.destroy()
  }
}

async function readBody(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > mostBytes) throw new Error(`an answer of more than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function readAnswer(answer: Bencoded): Announced {
  const failure = entryOf(answer, 'failure reason')
  if (failure !== undefined) throw new Error(failure instanceof Uint8Array ? Buffer.from(failure.subarray(0, 200)).toString() : 'refused')
  const interval = entryOf(answer, 'interval')
  const leechers = entryOf(answer, 'incomplete')
  const peers = [['peers', 4], ['peers6', 6]] as const
  return {
    intervalSeconds: typeof interval === 'number' ? interval : 0,
    leechers: typeof leechers === 'number' ? leechers : null,
    peers: peers.flatMap(([key, family]) => {
      const value = entryOf(answer, key)
      if (value instanceof Uint8Array) return readCompact(value, family)
      return typeof value === 'object' && value.kind === 'list' ? value.items.flatMap(peerOf) : []
    }),
  }
}

/** A peer as a dictionary (BEP 3). */
function peerOf(peer: Bencoded): string[] {
  const [ip, port] = [entryOf(peer, 'ip'), entryOf(peer, 'port')]
  if (!(ip instanceof Uint8Array) || typeof port !== 'number') return []
  const host = Buffer.from(ip).toString('latin1')
  return [host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`]
}

function queryOf({ infoHash, peerId, port, uploaded, downloaded, left, event, wanted }: Announce): string {
  const raw = (hex: string) => hex.replaceAll(/../g, '%$&')
  const rest = new URLSearchParams({ port: `${port}`, uploaded: `${uploaded}`, downloaded: `${downloaded}`, left: `${left}`, compact: '1', numwant: `${wanted}`, ...(event ? { event } : {}) })
  return `info_hash=${raw(infoHash)}&peer_id=${raw(peerId)}&${rest.toString()}`
}
