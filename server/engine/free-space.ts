import { statfs } from 'node:fs/promises'

/** The disk is asked anew when the last answer is older than this, or after so much was written since. */
const goodFor = { ms: 5_000, bytes: 64 * 1024 * 1024 }

/** What the disk has free above a floor that is left to others. Between two questions to the disk it is an estimate. */
export class FreeSpace {
  #folder: string
  #floorBytes: number
  #freeBytes = Infinity
  #askedAt = -Infinity
  #takenSince = 0

  constructor(folder: string, floorBytes: number) {
    this.#folder = folder
    this.#floorBytes = floorBytes
  }

  /** Whether so many bytes more leave the floor free, as far as is known. */
  allows(bytes: number): boolean {
    return this.#freeBytes - this.#takenSince - bytes >= this.#floorBytes
  }

  take(bytes: number): void {
    this.#takenSince += bytes
  }

  /** Asks the disk if that is due, or if the estimate would refuse so many bytes. */
  async look(bytes: number): Promise<void> {
    const isFresh = performance.now() - this.#askedAt < goodFor.ms && this.#takenSince < goodFor.bytes
    if (!isFresh || !this.allows(bytes)) await this.ask()
  }

  /** Bytes free on the disk. Where the disk cannot say, it is taken for endless, and says itself when it is full. */
  async ask(): Promise<number> {
    const before = this.#takenSince
    const free = await statfs(this.#folder).then(({ bavail, bsize }) => bavail * bsize, () => Infinity)
    this.#freeBytes = free
    this.#askedAt = performance.now()
    this.#takenSince -= before // what was taken while it was asked may not be in the answer
    return free
  }
}
