import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { buffer, text } from 'node:stream/consumers'

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into answers of every shape
export type RawAnswer = { status: number; headers: IncomingHttpHeaders; text: string; body: any }

type Wanted = { method?: string; headers?: Record<string, string>; body?: string; ca?: string }

/** A request exactly as given: any Host header, any method, a path that is not normalised; redirects are not followed. */
export async function ask(baseUrl: string, path: string, { method = 'GET', headers = {}, body, ca }: Wanted = {}): Promise<RawAnswer> {
  const { hostname, port, protocol } = new URL(baseUrl)
  const options: RequestOptions & { ca?: string; servername?: string } = { hostname, port, path, method, headers, agent: false, ...(ca ? { ca, servername: 'localhost' } : {}) }
  const sent = protocol === 'https:' ? httpsRequest(options) : httpRequest(options)
  const answered = once(sent, 'response') as Promise<[import('node:http').IncomingMessage]>
  sent.end(body)
  const [response] = await answered
  const received = response.headers['content-type']?.startsWith('text/event-stream') ? await firstOf(response) : await text(response)
  const isJson = /[/+]json/.test(response.headers['content-type'] ?? '')
  return { status: response.statusCode ?? 0, headers: response.headers, text: received, body: isJson && received !== '' ? JSON.parse(received) : null }
}

/** What comes first of what would never end. */
async function firstOf(response: import('node:http').IncomingMessage): Promise<string> {
  for await (const chunk of response) return String(chunk)
  return ''
}

/** Writes bytes to a socket and reads until the server closes it. */
export async function talk(baseUrl: string, bytes: string): Promise<string> {
  const { port } = new URL(baseUrl)
  const socket = connect(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  return text(socket)
}

/** Writes bytes to a socket and reads what comes until the server closes it. */
export async function exchange(baseUrl: string, bytes: string | Buffer): Promise<Buffer> {
  const socket = connect(Number(new URL(baseUrl).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  return buffer(socket)
}

export type RawResponse = { status: number; headers: Record<string, string>; body: Buffer }

/** The answers that stand one behind the other in what was read; each says its length. `methods`: of the requests, in turn. */
export function answersIn(bytes: Buffer, methods: readonly string[]): RawResponse[] {
  const answers: RawResponse[] = []
  let at = 0
  for (const method of methods) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) break
    const [line = '', ...fields] = bytes.toString('latin1', at, end).split('\r\n')
    const headers = Object.fromEntries(fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()]))
    const length = method === 'HEAD' ? 0 : Number(headers['content-length'])
    answers.push({ status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1]), headers, body: bytes.subarray(end + 4, end + 4 + length) })
    at = end + 4 + length
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes are in no answer`)
  return answers
}
