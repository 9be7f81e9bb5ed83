import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

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
  const received = await text(response)
  const isJson = /[/+]json/.test(response.headers['content-type'] ?? '')
  return { status: response.statusCode ?? 0, headers: response.headers, text: received, body: isJson && received !== '' ? JSON.parse(received) : null }
}

/** Writes bytes to a socket and reads until the server closes it. */
export async function talk(baseUrl: string, bytes: string): Promise<string> {
  const { port } = new URL(baseUrl)
  const socket = connect(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  return text(socket)
}
