/**
 * Sends verified bytes of a torrent's file as the body of an HTTP answer: read from disk into reused buffers, no
 * faster than the player takes them. Knows node:http alone.
 */
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { AvailableBytes } from '../engine/available-bytes.ts'
import type { EngineClient } from '../engine/client.ts'
import { EngineError } from '../engine/contract.ts'
import type { TorrentSource } from '../engine/reader.ts'
import { contentRange, lengthOf, multipartLayout, type ByteRange } from '../lib/ranges.ts'
import { ClientGone, ClientStalled, Outlet } from './outlet.ts'

export interface SendBytesOptions {
  readonly engine: Pick<EngineClient, 'dataDir' | 'reader'>
  readonly source: TorrentSource
  readonly fileIndex: number
  readonly sizeBytes: number
  /** The file's mean rate, when it is known: the engine reads ahead seconds of it. */
  readonly bytesPerSecond?: number | undefined
  /** HEAD sends the head alone, and asks the swarm for nothing. */
  readonly method: 'GET' | 'HEAD'
  /** As `selectRanges` gave them; null for the whole file. */
  readonly ranges: readonly ByteRange[] | null
  readonly contentType: string
  /** 16 random bytes: between the parts of several ranges stands what no content holds, whoever made it. */
  readonly boundary: Uint8Array
  /** Sent besides: ETag, Content-Disposition, Cache-Control… */
  readonly headers?: Readonly<Record<string, string>>
  /** How long the swarm has for the first byte; before it nothing is sent, so that 504 can still be answered. */
  readonly firstByteMs: number
  /** How long it may then leave the player waiting before the connection is closed. */
  readonly stallMs: number
  /** How long the player may leave us waiting. */
  readonly clientStallMs: number
  /** Aborted when the right to these bytes ends: the connection is cut. */
  readonly signal?: AbortSignal
  /** For how many milliseconds so many bytes have to wait before they go. */
  readonly pace?: (bytes: number) => number
  /** Called with each number of bytes of content that the socket has taken. */
  readonly onBytes?: (count: number) => void
}

/**
 * `stalled`: the swarm or the player took too long after the head. `failed`: the engine or the disk did, see `error`.
 * `revoked` and `client_gone` may come before the head (`response.headersSent`).
 */
export interface Sent {
  readonly outcome: 'complete' | 'client_gone' | 'revoked' | 'stalled' | 'failed'
  readonly bytes: number
  readonly error?: unknown
}

/** Rejects with EngineError (`swarm_timeout`, say) only while nothing has been sent. */
export async function sendBytes(response: ServerResponse, options: SendBytesOptions): Promise<Sent> {
  const { signal } = options
  const ended = new AbortController()
  let cause: 'client_gone' | 'revoked' | 'stalled' | 'failed' | null = null
  let bytes = 0
  const end = (why: NonNullable<typeof cause>) => {
    if (ended.signal.aborted) return
    cause = why
    ended.abort()
  }
  const onClose = () => {
    if (!response.writableFinished) end('client_gone')
  }
  const onRevoked = () => {
    end('revoked')
    if (response.headersSent) response.destroy()
  }
  response.once('close', onClose)
  signal?.addEventListener('abort', onRevoked, { once: true })
  if (signal?.aborted) onRevoked()
  else if (response.destroyed) onClose()
  try {
    await send(response, options, ended.signal, (count) => {
      bytes += count
      options.onBytes?.(count)
    })
    return { outcome: 'complete', bytes }
  } catch (error) {
    if (cause) return { outcome: cause, bytes }
    if (!response.headersSent) throw error
    response.destroy() // the only way left to say that the body is not whole
    return { outcome: outcomeOf(error), bytes, error }
  } finally {
    ended.abort()
    response.off('close', onClose)
    signal?.removeEventListener('abort', onRevoked)
  }
}

function outcomeOf(error: unknown): Sent['outcome'] {
  if (error instanceof ClientGone) return 'client_gone'
  return error instanceof ClientStalled || (error instanceof EngineError && error.code === 'swarm_timeout') ? 'stalled' : 'failed'
}

async function send(response: ServerResponse, options: SendBytesOptions, ended: AbortSignal, onBytes: (count: number) => void): Promise<void> {
  const { engine, source, fileIndex, sizeBytes, bytesPerSecond, method, ranges, firstByteMs, stallMs } = options
  ended.throwIfAborted()
  const parts = (ranges ?? [{ start: 0, end: sizeBytes - 1 }]).filter((range) => lengthOf(range) > 0)
  const head = headOf(options)
  if (method === 'HEAD' || parts.length === 0) {
    response.writeHead(head.status, head.fields).end()
    return
  }
  const pace = (count: number) => {
    const waitMs = options.pace?.(count) ?? 0
    return waitMs > 0 ? sleep(waitMs, undefined, { signal: ended }) : undefined
  }
  using out = new Outlet({ response, ended, stallMs: options.clientStallMs, pace, onBytes })
  for (const [index, { start, end }] of parts.entries()) {
    using bytes = new AvailableBytes(engine, { source, fileIndex, start, end: end + 1, bytesPerSecond, signal: ended })
    await bytes.ready(start, response.headersSent ? stallMs : firstByteMs)
    if (!response.headersSent) response.writeHead(head.status, head.fields)
    const frame = head.frames[index]
    if (frame) await out.frame(frame)
    for (let at = start; at <= end;) {
      const buffer = await out.free()
      const begun = await bytes.begin(at, buffer, stallMs)
      const next = (at += begun.count)
      out.write(buffer, begun, () => bytes.progress(next))
    }
    await out.handed()
  }
  await out.finish(head.tail)
}

interface Head { readonly status: number; readonly fields: Record<string, string | number>; readonly frames: readonly string[]; readonly tail: string }

function headOf({ ranges, sizeBytes, contentType, boundary, headers = {} }: SendBytesOptions): Head {
  const common = { ...headers, 'accept-ranges': 'bytes', 'content-type': contentType }
  const [first, second] = ranges ?? []
  if (!first || !ranges) return { status: 200, fields: { ...common, 'content-length': sizeBytes }, frames: [], tail: '' }
  if (!second) return { status: 206, fields: { ...common, 'content-length': lengthOf(first), 'content-range': contentRange(first, sizeBytes) }, frames: [], tail: '' }
  const layout = multipartLayout(ranges, sizeBytes, contentType, Buffer.from(boundary).toString('hex'))
  return { status: 206, fields: { ...common, 'content-type': layout.contentType, 'content-length': layout.contentLength }, frames: layout.heads, tail: layout.tail }
}
