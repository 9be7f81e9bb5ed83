import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP relay before a database, so that a test can take the database away and give it back. */
export type Cuttable = AsyncDisposable & {
  /** The same URL, through the relay. */
  url: string
  /** Ends every connection and refuses new ones. */
  cut(): void
  restore(): void
}

export async function cuttable(url: string): Promise<Cuttable> {
  const target = new URL(url)
  const open = new Set<Socket>()
  let isCut = false
  const relay = createServer((client) => {
    if (isCut) return void client.destroy()
    const server = connect(Number(target.port), target.hostname)
    for (const [one, other] of [[client, server], [server, client]] as const) {
      open.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy()).on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const through = new URL(url)
  through.host = `127.0.0.1:${(relay.address() as AddressInfo).port}`
  const drop = () => {
    for (const socket of open) socket.destroy()
  }
  return {
    url: through.href,
    cut() {
      isCut = true
      drop()
    },
    restore() {
      isCut = false
    },
    async [Symbol.asyncDispose]() {
      const closed = once(relay, 'close')
      relay.close()
      drop()
      await closed
    },
  }
}
