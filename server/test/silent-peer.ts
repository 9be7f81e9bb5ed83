import { allOf, message, startPeer } from './scripted-peer.ts'

/** A peer that has every piece, is willing, and never sends one: it notes what it is asked for. */
export interface SilentPeer extends AsyncDisposable {
  readonly address: string
  /** Blocks asked for and not taken back, as `piece:offset`. */
  readonly wanted: ReadonlySet<string>
  /** How many were taken back. */
  cancelled(): number
}

export async function startSilentPeer(infoHash: string, pieces: number, host?: string): Promise<SilentPeer> {
  const wanted = new Set<string>()
  let cancelled = 0
  const peer = await startPeer({
    infoHash,
    onGreeted: (wire) => wire.send(message.bitfield, [], allOf(pieces)),
    onMessage: (wire, id, payload) => {
      const block = () => `${payload.readUInt32BE(0)}:${payload.readUInt32BE(4)}`
      if (id === message.interested) wire.send(message.unchoke)
      if (id === message.request) wanted.add(block())
      if (id === message.cancel && wanted.delete(block())) cancelled += 1
    },
  }, host)
  return { address: peer.address, wanted, cancelled: () => cancelled, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() }
}
