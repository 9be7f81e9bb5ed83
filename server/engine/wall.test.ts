import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer as createHttpServer, get } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, test } from 'vitest'
import { createReach, type Reach, type Resolve } from './reach.ts'
import { raiseWall } from './wall.ts'

/** Listeners on every loopback address that must see nothing: of TCP, and of UDP on the same port. */
let calls = 0
let port = 0
const closing = new AsyncDisposableStack()

beforeAll(async () => {
  const server = createServer((socket) => {
    calls += 1
    socket.destroy()
  }).listen(0, '::')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
  closing.defer(() => void server.close())
  const udp = createSocket('udp6', () => void (calls += 1)).bind(port, '::')
  await once(udp, 'listening')
  closing.defer(() => void udp.close())
})
afterAll(() => closing.disposeAsync())
beforeEach(() => void (calls = 0))

const resolvesTo = (...answers: string[][]): Resolve => {
  let asked = 0
  return (_host, _options, done) => {
    const addresses = answers[Math.min(asked, answers.length - 1)] ?? []
    asked += 1
    process.nextTick(done, null, addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
  }
}

const ways: Record<string, (host: string) => Promise<unknown>> = {
  'net.connect': (host) => once(connect({ host, port }), 'connect'),
  'net.connect with a port and a host': (host) => once(connect(port, host), 'connect'),
  'tls.connect': (host) => once(connectTls({ host, port }), 'secureConnect'),
  'http.get': (host) => once(get({ host, port }), 'response'),
  fetch: (host) => fetch(`http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}/`),
  WebSocket: (host) => new Promise((_resolve, reject) => {
    const socket = new WebSocket(`ws://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}/`)
    socket.onerror = () => reject(new Error('refused'))
  }),
  'dgram.send': (host) => viaUdp((socket, done) => socket.send('x', port, host, done)),
  'dgram.connect': (host) => viaUdp((socket, done) => socket.connect(port, host, () => socket.send('x', done))),
}

function viaUdp(send: (socket: ReturnType<typeof createSocket>, done: (error: Error | null) => void) => void): Promise<void> {
  const socket = createSocket('udp4')
  return new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    send(socket, (error) => (error ? reject(error) : resolve()))
  }).finally(() => socket.close())
}

describe.each(Object.keys(ways))('%s', (way) => {
  const attempt = (host: string) => ways[way]?.(host)

  test.each([
    '127.0.0.1', '127.0.0.2', '0.0.0.0', '2130706433', '0x7f000001', '0x7f.1', '127.1', '0177.0.0.1', '127.0.0.1.',
    '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', 'fe80::1%lo', 'localhost', 'LOCALHOST', '10.0.0.1', '169.254.169.254', '100.64.0.1', '64:ff9b::7f00:1',
  ])('does not reach %s', async (host) => {
    // What an odd spelling or a name means is the resolver's to say: here, as everywhere, loopback.
    using _ = raiseWall(createReach({ allowPrivateAddresses: false, resolve: resolvesTo(['127.0.0.1', '::1']) }))
    await expect(attempt(host)).rejects.toBeTruthy()
    expect(calls).toBe(0)
  })

  it('does not reach a name that was public when it was first looked up, and is loopback now (DNS rebinding)', async () => {
    const reach = createReach({ allowPrivateAddresses: false, resolve: resolvesTo(['93.184.215.14'], ['127.0.0.1']) })
    await new Promise<void>((resolve, reject) => {
      reach.lookup('rebind.example.net', {}, (error, address) => (error || address !== '93.184.215.14' ? reject(error ?? new Error(String(address))) : resolve()))
    })
    using _ = raiseWall(reach)
    await expect(attempt('rebind.example.net')).rejects.toBeTruthy()
    expect(calls).toBe(0)
  })

  it('reaches loopback where that is allowed', async () => {
    using _ = raiseWall(createReach({ allowPrivateAddresses: true, resolve: resolvesTo(['127.0.0.1']) }))
    await attempt('somewhere.example.net')?.catch(() => {})
    await expect.poll(() => calls).toBeGreaterThan(0)
  })
})

it('does not follow a redirect to what may not be reached', async () => {
  const allowed: Reach = { ...createReach({ allowPrivateAddresses: true }), mayReach: (address) => address === '127.0.0.2' }
  const server = createHttpServer((_request, response) => response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end()).listen(0, '127.0.0.2')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  using _ = raiseWall(allowed)
  await expect(fetch(`http://127.0.0.2:${(server.address() as AddressInfo).port}/`)).rejects.toBeTruthy()
  expect(calls).toBe(0)
})

it('judges what a lookup of the caller’s own answered', async () => {
  using _ = raiseWall(createReach({ allowPrivateAddresses: false }))
  const lookup = (_host: string, options: { all?: boolean }, done: (error: null, address: unknown, family?: number) => void) =>
    options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
  await expect(once(connect({ host: 'tracker.example.net', port, lookup: lookup as never }), 'connect')).rejects.toMatchObject({ code: 'ENETUNREACH' })
  expect(calls).toBe(0)
})

it('lets no local socket be opened', async () => {
  using _ = raiseWall(createReach({ allowPrivateAddresses: true }))
  await expect(once(connect('/var/run/docker.sock'), 'connect')).rejects.toMatchObject({ code: 'ENETUNREACH' })
})

it('counts the server’s own addresses among those that may not be reached', () => {
  const own = { address: '93.184.215.14', netmask: '255.255.255.0', family: 'IPv4' as const, mac: '', internal: false, cidr: null }
  const { mayReach } = createReach({ allowPrivateAddresses: false, interfaces: () => ({ eth0: [own] }) })
  const asked = ['8.8.8.8', '2606:4700:4700::1111', '93.184.215.14', '93.184.215.15', 'tracker.example.net', '127.0.0.1']
  expect(asked.filter(mayReach)).toEqual(['8.8.8.8', '2606:4700:4700::1111', '93.184.215.15'])
})

it('is gone when it is lowered', async () => {
  const wall = raiseWall(createReach({ allowPrivateAddresses: false }))
  wall[Symbol.dispose]()
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
})
