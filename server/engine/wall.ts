import { Socket as UdpSocket } from 'node:dgram'
import { isIP, Socket } from 'node:net'
import { refusal, type LookupDone, type Reach } from './reach.ts'

/**
 * The narrow place: no socket of this process connects, and no datagram leaves, to where `reach` forbids, whatever library
 * asked and by whatever spelling, name or redirect (control D3). Names are looked up here, and the very addresses found
 * are judged and used: one that resolves elsewhere the next time (DNS rebinding) is judged the next time.
 * For the engine's process, which has no business anywhere else. `excepted` is what
 * switched-on discovery needs besides.
 */
export function raiseWall(reach: Reach, excepted: (address: string) => boolean = () => false): Disposable {
  const { connect } = Socket.prototype
  const { send, connect: connectUdp } = UdpSocket.prototype
  const isOpen = (address: string) => reach.mayReach(address) || excepted(address)

  /** net.connect, tls, http and fetch all end here, with `(options)`, `(port, host)` or `[options]` made of them. */
  Socket.prototype.connect = function guarded(this: Socket, ...args: unknown[]): Socket {
    const normal = (Array.isArray(args[0]) ? args[0] : args) as unknown[]
    const done = normal.findLast((arg) => typeof arg === 'function')
    const [first, second] = normal
    const options: Record<string, unknown> = typeof first === 'object' && first !== null ? { ...first } : { port: first, host: second }
    const host = typeof options['host'] === 'string' && options['host'] !== '' ? options['host'] : 'localhost'
    if (typeof options['path'] === 'string' || Number.isNaN(Number(options['port']))) return fail(this, 'a local socket')
    if (isIP(host) && !isOpen(host)) return fail(this, host)
    const { lookup: theirs } = options
    const guardedOptions = { ...options, host, lookup: typeof theirs === 'function' ? judged(theirs as Reach['lookup']) : reach.lookup }
    return Reflect.apply(connect, this, done ? [guardedOptions, done] : [guardedOptions]) as Socket
  }

  /** `(message, [offset, length,] [port,] [address,] [done])`: the address is the last string. */
  UdpSocket.prototype.send = function guarded(this: UdpSocket, ...args: unknown[]): void {
    whenOpen(this, args, () => isConnected(this), (judgedArgs) => void Reflect.apply(send, this, judgedArgs))
  } as typeof send

  /** `(port, [address,] [done])` */
  UdpSocket.prototype.connect = function guarded(this: UdpSocket, ...args: unknown[]): void {
    whenOpen(this, args, () => false, (judgedArgs) => void Reflect.apply(connectUdp, this, judgedArgs))
  }

  function whenOpen(socket: UdpSocket, args: unknown[], needsNone: () => boolean, go: (args: unknown[]) => void): void {
    const at = args.findLastIndex((arg, index) => index > 0 && typeof arg === 'string')
    const host = at < 0 ? null : String(args[at])
    if (host === null && needsNone()) return go(args)
    const refuse = (error: Error) => {
      const done = args.at(-1)
      process.nextTick(() => (typeof done === 'function' ? void (done as (error: Error) => void)(error) : socket.emit('error', error)))
    }
    if (host === null) return refuse(refusal('localhost'))
    if (isIP(host)) return isOpen(host) ? go(args) : refuse(refusal(host))
    const family = (socket as { type?: string }).type === 'udp6' ? 6 : 4
    reach.lookup(host, { family }, (error, address) => (error ? refuse(error) : go(args.with(at, address))))
  }

  function judged(theirs: Reach['lookup']): Reach['lookup'] {
    return (host, options, done) => theirs(host, options, ((error, addresses, family) => {
      if (error) return done(error, [])
      const found = typeof addresses === 'string' ? [{ address: addresses, family: family ?? 0 }] : addresses
      const open = found.filter(({ address }) => isOpen(address))
      if (open.length === 0) return done(refusal(host), [])
      if (typeof addresses === 'string') done(null, addresses, family)
      else done(null, open)
    }) satisfies LookupDone)
  }

  return {
    [Symbol.dispose]() {
      Socket.prototype.connect = connect
      UdpSocket.prototype.send = send
      UdpSocket.prototype.connect = connectUdp
    },
  }
}

function fail(socket: Socket, host: string): Socket {
  process.nextTick(() => socket.destroy(refusal(host)))
  return socket
}

function isConnected(socket: UdpSocket): boolean {
  try {
    return Boolean(socket.remoteAddress())
  } catch {
    return false
  }
}
