import WebTorrent from 'webtorrent'
import { isPublicAddress } from '../lib/addresses.ts'
import { EngineError, type EngineSettings } from './contract.ts'

/** The BitTorrent client: TCP peers from trackers and nothing that calls out by itself. Rejects with `listen_failed`. */
export async function joinSwarm({ host, port, connectionsPerTorrent, allowPrivateAddresses }: EngineSettings): Promise<WebTorrent> {
  const client = new WebTorrent({
    dht: false,
    lsd: false,
    utPex: false,
    natUpnp: false,
    natPmp: false,
    utp: false, // with it a peer that speaks TCP alone was reached after 41 s
    webSeeds: false,
    secure: 0, // encryption first costs a round trip or two at each start, and hides nothing that matters here
    tracker: {},
    maxConns: connectionsPerTorrent,
    torrentPort: { host, port }, // a number alone would listen on every interface
  })
  client.blocked = { contains: (address) => !allowPrivateAddresses && !isPublicAddress(address) }
  const { promise, resolve, reject } = Promise.withResolvers<WebTorrent>()
  const fail = (error: unknown) => reject(new EngineError('listen_failed', `Cannot listen for peers on ${host}:${port}: ${String(error)}`))
  client.once('error', fail)
  client.once('listening', () => {
    client.off('error', fail) // from here on an error of the client itself is a crash: the server starts another
    resolve(client)
  })
  return promise
}
