import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const buffer = Buffer.allocUnsafeSlow(1024 * 1024)

/**
 * Fetches a URL over a connection of its own and drops the body: a client that costs as little as Node allows, for what is
 * measured shares the machine with it. @returns bytes of the body @throws Error for anything but 200 and 206
 */
export async function drain(url: string, { range }: { range?: string } = {}): Promise<number> {
  const { protocol, hostname, port, pathname, search } = new URL(url)
  let head = ''
  let bytes = 0
  const socket = protocol === 'https:'
    // a certificate made for the bench
    ? connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false }).on('data', take)
    : connect({ host: hostname, port: Number(port), onread: { buffer, callback: (size, chunk) => take(Buffer.from(chunk.buffer, chunk.byteOffset, size)) } })
  // not `end`: a client that closes its half is taken for one that has gone
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n${range === undefined ? '' : `range: ${range}\r\n`}connection: close\r\n\r\n`)
  await closed(socket)
  const status = /^HTTP\/1\.1 (\d+)/.exec(head)?.[1]
  if (status !== '200' && status !== '206') throw new Error(`${pathname} answered ${status ?? 'nothing'}`)
  const promised = Number(/^content-length: *(\d+)/im.exec(head)?.[1])
  if (bytes !== promised) throw new Error(`${pathname} sent ${bytes} bytes instead of ${promised}`)
  return bytes

  function take(chunk: Buffer): true {
    if (head.endsWith('\r\n\r\n')) bytes += chunk.length
    else {
      const end = chunk.indexOf('\r\n\r\n')
      head += chunk.toString('latin1', 0, end < 0 ? chunk.length : end + 4)
      if (end >= 0) bytes += chunk.length - end - 4
    }
    return true
  }
}

async function closed(socket: Socket): Promise<void> {
  socket.resume()
  await once(socket, 'close') // rejects on 'error'
}
