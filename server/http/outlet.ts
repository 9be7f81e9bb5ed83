import type { ServerResponse } from 'node:http'

/** The player has taken nothing for too long. */
export class ClientStalled extends Error {
  override readonly name = 'ClientStalled'
}

/** The player closed the connection: a write finds that out before the response does. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/** A stream begins with small buffers; one that has shown itself fast gets large ones, as each read is a trip to another thread and back. */
const sizes = { small: 256 * 1024, large: 1024 * 1024 }
const fast = { afterBytes: 8 * 1024 * 1024, bytesPerMs: 32_000 }
/** Large buffers of all streams together: a player holds its own as long as it likes. */
const mostLarge = 32
let largeInUse = 0
/** Buffers of streams that have ended well, for those to come. */
const kept = { small: [] as Buffer[], large: [] as Buffer[] }
const mostKept = 64

interface Slot {
  buffer: Buffer
  /** Resolves, when its bytes have been handed to the socket, with when that has taken them. */
  handed: Promise<{ readonly written: Promise<void> }>
}

export interface OutletOptions {
  readonly response: ServerResponse
  /** Aborted when nothing may be sent any more. */
  readonly ended: AbortSignal
  /** How long the player may leave us waiting. */
  readonly stallMs: number
  /** Resolves when so many bytes may go. */
  readonly pace: (bytes: number) => Promise<void> | undefined
  /** Called with each number of bytes that the socket has taken. */
  readonly onBytes: (count: number) => void
}

/** The way out: two buffers, filled side by side, sent in turn, each free again once the socket has taken what was in it. */
export class Outlet implements Disposable {
  #options: OutletOptions
  #slots = [0, 1].map((): Slot => ({ buffer: kept.small.pop() ?? Buffer.allocUnsafeSlow(sizes.small), handed: Promise.resolve({ written: Promise.resolve() }) }))
  #handed: Promise<unknown> = Promise.resolve()
  #taken = 0
  #began = performance.now()

  constructor(options: OutletOptions) {
    this.#options = options
  }

  /** The buffer that may be filled next. Rejects when the player takes nothing any more, or as the filling of it did before. */
  async free(): Promise<Buffer> {
    const [slot] = this.#slots
    if (!slot) throw new Error('an outlet has two buffers')
    await this.#patiently((await slot.handed).written)
    if (slot.buffer.length < sizes.large && largeInUse < mostLarge && this.#isFast()) {
      keep(slot.buffer)
      slot.buffer = kept.large.pop() ?? Buffer.allocUnsafeSlow(sizes.large)
      largeInUse += 1
    }
    return slot.buffer
  }

  /** Sends what is in the buffer once it is `filled`, after all that came before it. `onHanded` is called when it goes. */
  write(buffer: Buffer, { count, filled }: { readonly count: number; readonly filled: Promise<void> }, onHanded: () => void): void {
    const slot = this.#slots.shift()
    if (slot?.buffer !== buffer) throw new Error('buffers are written in turn')
    this.#handed = slot.handed = this.#hand(buffer.subarray(0, count), filled, this.#handed, onHanded)
    slot.handed.catch(() => {}) // `free` and `finish` look at it; a stream that ends early need not
    this.#slots.push(slot)
  }

  async #hand(bytes: Buffer, filled: Promise<void>, before: Promise<unknown>, onHanded: () => void): Promise<{ readonly written: Promise<void> }> {
    const { ended, pace, onBytes } = this.#options
    await Promise.all([before, filled])
    await pace(bytes.length)
    ended.throwIfAborted()
    const written = this.#send(bytes).then(() => {
      this.#taken += bytes.length
      onBytes(bytes.length)
    })
    written.catch(() => {})
    onHanded()
    return { written }
  }

  async frame(text: string): Promise<void> {
    await this.#patiently(this.#send(text))
  }

  /** Resolves when everything has been handed to the socket. */
  async handed(): Promise<void> {
    await this.#handed
  }

  async finish(tail: string): Promise<void> {
    for (const { handed } of this.#slots) await this.#patiently((await handed).written)
    await this.#patiently(new Promise<void>((resolve) => { this.#options.response.end(tail, () => resolve()) }))
    // Only here is it sure that no read and no write still holds them.
    for (const { buffer } of this.#slots) keep(buffer)
  }

  [Symbol.dispose](): void {
    for (const { buffer } of this.#slots) if (buffer.length === sizes.large) largeInUse -= 1
  }

  #isFast(): boolean {
    return this.#taken >= fast.afterBytes && this.#taken > fast.bytesPerMs * (performance.now() - this.#began)
  }

  #send(chunk: Buffer | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#options.response.write(chunk, (error) => (error ? reject(new ClientGone('The connection is closed.', { cause: error })) : resolve()))
    })
  }

  async #patiently(work: Promise<void>): Promise<void> {
    const { ended, stallMs } = this.#options
    const { promise, reject } = Promise.withResolvers<never>()
    const onEnded = () => reject(ended.reason)
    const timer = setTimeout(() => reject(new ClientStalled('The player took nothing for too long.')), stallMs)
    ended.addEventListener('abort', onEnded, { once: true })
    try {
      ended.throwIfAborted()
      await Promise.race([work, promise])
    } finally {
      clearTimeout(timer)
      ended.removeEventListener('abort', onEnded)
    }
  }
}

function keep(buffer: Buffer): void {
  const others = buffer.length === sizes.large ? kept.large : kept.small
  if (others.length < mostKept) others.push(buffer)
}
