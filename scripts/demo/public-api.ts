import { setTimeout as pause } from 'node:timers/promises'
import type { z } from 'zod'

export type Credentials = { token?: string; apiKey?: string }
type Call<T extends z.ZodType> = Credentials & { body?: unknown; headers?: Record<string, string>; answer: T; status?: number }

/** The REST API as an app sees it: over HTTP, with fetch, and every answer read by the schema the contract gives it. */
export class PublicApi {
  readonly base: string
  constructor(origin: string) {
    this.base = `${origin}/api/v1`
  }

  /** @throws Error with the code of the problem document when the answer is another than `status` (200). */
  async call<T extends z.ZodType>(method: string, path: string, { token, apiKey, body, headers, answer, status = 200 }: Call<T>): Promise<z.output<T>> {
    const response = await fetch(`${this.base}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    })
    const text = await response.text()
    if (response.status !== status) throw new Error(`${method} ${path} answered ${response.status} ${problemIn(text)}`)
    return answer.parse(text === '' ? undefined : JSON.parse(text))
  }
}

function problemIn(text: string): string {
  try {
    const { code, detail } = JSON.parse(text) as { code?: string; detail?: string }
    return `${code ?? ''}: ${detail ?? ''}`
  } catch {
    return text.slice(0, 200)
  }
}

/** Asks again and again until there is an answer. @throws Error that says what never came */
export async function until<T>(what: string, seconds: number, ask: () => Promise<T | undefined>): Promise<T> {
  const bound = performance.now() + seconds * 1000
  for (;;) {
    const found = await ask()
    if (found !== undefined) return found
    if (performance.now() > bound) throw new Error(`${what} did not come within ${seconds} s`)
    await pause(50)
  }
}
