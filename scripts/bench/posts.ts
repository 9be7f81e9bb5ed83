import { connect, type Socket } from 'node:net'
import { once } from 'node:events'

export type Posts = Disposable & {
  /** Posts JSON. @returns the answer's status and body @throws Error where the connection ends, or the answer is not of a stated length */
  post(path: string, body: object): Promise<{ status: number; body: string }>
}

/**
 * Posts over kept connections, by hand: of what shares two cores with the server that is measured, node:http took 0.6 ms a request,
 * this a third of that. It reads what our server answers (HTTP/1.1, content-length), not what any may.
 */
export function openPosts(baseUrl: string): Posts {
  const { hostname, port, host } = new URL(baseUrl)
  const idle: Socket[] = []
  const all = new Set<Socket>()
  const open = async () => {
    const socket = connect(Number(port), hostname).setNoDelay()
    all.add(socket)
    await once(socket, 'connect')
    return socket
  }
  return {
    async post(path, given) {
      const socket = idle.pop() ?? (await open())
      const body = JSON.stringify(given)
      const answer = read(socket)
      socket.write(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
      const got = await answer
      idle.push(socket)
      return got
    },
    [Symbol.dispose]: () => all.forEach((socket) => void socket.destroy()),
  }
}

function read(socket: Socket): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const end = () => {
      socket.off('data', more)
      socket.off('close', lost)
    }
    const lost = () => reject(new Error('the connection ended before the answer'))
    const more = (chunk: Buffer) => {
      // a character for each byte, so that lengths agree; the body is decoded at the end
      text += chunk.toString('latin1')
      const headers = text.indexOf('\r\n\r\n')
      if (headers < 0) return
      const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, headers + 2))?.[1]
      if (length === undefined) {
        end()
        return reject(new Error('the answer states no length'))
      }
      if (text.length < headers + 4 + Number(length)) return
      end()
      resolve({ status: Number(text.slice(9, 12)), body: Buffer.from(text.slice(headers + 4), 'latin1').toString('utf8') })
    }
    socket.on('data', more)
    socket.once('close', lost)
  })
}
