import type { TorrentInfo } from '../lib/torrent.ts'
import type { ActiveReaders } from './active-readers.ts'
import { windowOf } from './window.ts'

export interface AvailabilityOptions {
  readonly info: TorrentInfo
  readonly windowBytes: number
  readonly readers: ActiveReaders
  /** Whether a piece is stored. */
  readonly has: (piece: number) => boolean
  /** Whether this process has hashed it. */
  readonly isConfirmed: (piece: number) => boolean
  /** Hashes a stored piece. Resolves with false when it is not what it should be. */
  readonly confirm: (piece: number) => Promise<boolean>
  readonly onAvailable: (readerId: number, upTo: number) => void
  /** What a reader was told may have changed: its window, too. */
  readonly onAdvanced: () => void
  readonly onError: (error: unknown) => void
}

/** Tells each reader how far its bytes are there. */
export class Availability {
  readonly #options: AvailabilityOptions
  /** Readers whose availability is being worked out, and whether to do it once more. */
  readonly #advancing = new Map<number, boolean>()

  constructor(options: AvailabilityOptions) {
    this.#options = options
  }

  /** Looks for every reader. */
  advanceAll(): void {
    for (const { id } of this.#options.readers) this.advance(id)
  }

  /** Says how far a reader's bytes are there, a window ahead at most. Pieces from an earlier process are confirmed first. */
  advance(readerId: number): void {
    if (this.#advancing.has(readerId)) return void this.#advancing.set(readerId, true)
    this.#advancing.set(readerId, false)
    void this.#advanceNow(readerId).catch(this.#options.onError).finally(() => {
      const again = this.#advancing.get(readerId)
      this.#advancing.delete(readerId)
      if (again) this.advance(readerId)
    })
  }

  async #advanceNow(readerId: number): Promise<void> {
    const { info, windowBytes, readers, has, isConfirmed, confirm, onAvailable, onAdvanced } = this.#options
    const reader = readers.get(readerId)
    if (!reader) return
    const offset = info.files[reader.fileIndex]?.offset ?? 0
    const before = reader.next
    while (reader.next < reader.end && readers.includes(reader)) {
      const piece = Math.floor((offset + reader.next) / info.pieceLength)
      if (piece > windowOf(reader, info, windowBytes).to || !has(piece)) break
      if (!isConfirmed(piece) && !(await confirm(piece))) break
      reader.next = Math.min(reader.end, (piece + 1) * info.pieceLength - offset)
    }
    if (!readers.includes(reader)) return
    if (reader.next > before) onAvailable(readerId, reader.next)
    onAdvanced()
  }
}
