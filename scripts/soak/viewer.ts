import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { z } from 'zod'
import { Session } from '../../server/features/auth/contract.ts'
import { PlaybackLink } from '../../server/features/playback/contract.ts'
import { ask } from '../../server/test/raw-http.ts'
import type { SwarmFile } from '../../server/test/swarm.ts'
import type { Plan } from './plan.ts'

/** What all viewers have seen together. */
export interface Seen {
  streams: number
  bytes: number
  /** Streams that went on though the engine was killed under them. */
  outlived: number
  /** What was wrong, each a sentence; the soak has failed when there is one. */
  readonly faults: string[]
}

export interface Title { readonly id: string; readonly name: string; readonly file: SwarmFile }

/** A number below a bound. */
export type Roll = (bound: number) => number

interface ViewerOptions {
  readonly baseUrl: string
  readonly refreshToken: string
  readonly plan: Plan
  readonly roll: Roll
  readonly seen: Seen
  /** How many engines have been killed until now. */
  readonly kills: () => number
}

/** Access tokens are good for a quarter of an hour. */
const tokenMs = 10 * 60_000

/** Somebody who watches as people do: from here, from there, with pauses, slowly, to the end, or gone at once. Compares every byte. */
export class Viewer {
  #options: ViewerOptions
  #token: { readonly text: string; readonly at: number; readonly next: string } | null = null
  #asking: Promise<string> | null = null

  constructor(options: ViewerOptions) {
    this.#options = options
  }

  /** One title after the other until the signal. Never rejects. */
  async watch(titles: readonly Title[], signal: AbortSignal): Promise<void> {
    const { roll, seen } = this.#options
    while (!signal.aborted) {
      const title = titles[roll(titles.length)]
      if (!title) return
      try {
        const { url } = await this.#post(`/torrents/${title.id}/files/0/playback`, {}, PlaybackLink, await this.#accessToken())
        for (let seeks = 1 + roll(4); seeks > 0 && !signal.aborted; seeks -= 1) await this.#range(url, title, signal)
      } catch (error) {
        if (signal.aborted) return
        seen.faults.push(`"${title.name}": ${(error as Error).message}`)
        await pause(1_000, undefined, { signal }).catch(() => {}) // once is enough
      }
    }
  }

  /** One range, from anywhere. @throws Error unless it comes as it should, as far as it is read */
  async #range(url: string, { name, file }: Title, signal: AbortSignal): Promise<void> {
    const { plan, roll, seen, kills } = this.#options
    const from = roll(4) === 0 ? 0 : roll(file.sizeBytes)
    const way = ways[roll(ways.length)] ?? 'plays'
    const before = kills()
    seen.streams += 1
    const asked = get(url, { agent: false, headers: { range: `bytes=${from}-` }, signal })
    asked.on('error', () => {}) // `once` has it, or nobody cares any more
    try {
      if (way === 'leaves at once') return void (await pause(roll(30), undefined, { signal }))
      const [response] = (await once(asked, 'response')) as [IncomingMessage]
      if (response.statusCode !== 206) throw new Error(`from byte ${from}: answered ${response.statusCode}`)
      const most = Math.min(file.sizeBytes - from, way === 'to the end' ? Math.max(plan.mostBytes, file.sizeBytes / 2) : 1 + roll(plan.mostBytes))
      const read = await this.#read(response, { file, from, most, way, signal })
      if (read < most) throw new Error(`from byte ${from}: ended after ${read} bytes of ${most}, as who ${way}`)
      if (kills() > before) seen.outlived += 1
    } catch (error) {
      if (!signal.aborted) throw new Error(`${(error as Error).message} (${name}, ${way}, kills ${before} to ${kills()})`, { cause: error })
    } finally {
      asked.destroy()
    }
  }

  async #read(response: IncomingMessage, { file, from, most, way, signal }: { file: SwarmFile; from: number; most: number; way: Way; signal: AbortSignal }): Promise<number> {
    const { plan, seen } = this.#options
    let at = from
    let isPauseDue = way === 'pauses'
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        if (!chunk.equals(await file.read(at, chunk.length))) throw new WrongBytes(`the bytes from ${at} on are not those of the file`)
        at += chunk.length
        seen.bytes += chunk.length
        if (at - from >= most) break
        if (way === 'is slow' || isPauseDue) await pause(isPauseDue ? plan.pauseMs : plan.pauseMs / 20, undefined, { signal })
        isPauseDue = false
      }
    } catch (error) {
      // a body that breaks off is said by how much of it there is
      if (error instanceof WrongBytes || signal.aborted) throw error
    }
    return at - from
  }

  async #accessToken(): Promise<string> {
    if (this.#token && performance.now() - this.#token.at < tokenMs) return this.#token.text
    // two that watch by one session ask once
    this.#asking ??= this.#refresh().finally(() => (this.#asking = null))
    return this.#asking
  }

  async #refresh(): Promise<string> {
    const refreshToken = this.#token?.next ?? this.#options.refreshToken
    const { tokens } = await this.#post('/auth/refresh', { refreshToken }, Session)
    if (!tokens?.refreshToken) throw new Error('the session was not refreshed')
    this.#token = { text: tokens.accessToken, at: performance.now(), next: tokens.refreshToken }
    return tokens.accessToken
  }

  /** Over a connection of its own: what is still open at the end is the server's fault. */
  async #post<T extends z.ZodType>(path: string, body: object, answer: T, token?: string): Promise<z.output<T>> {
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
    const answered = await ask(this.#options.baseUrl, `/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (answered.status >= 300) throw new Error(`${path} answered ${answered.status} ${answered.text.slice(0, 200)}`)
    return answer.parse(answered.body)
  }
}

class WrongBytes extends Error {}

const ways = ['plays', 'plays', 'pauses', 'is slow', 'to the end', 'leaves at once'] as const
type Way = (typeof ways)[number]
