import type { ChunkStore } from 'webtorrent'

export interface PieceSource {
  lengthOf(piece: number): number
  write(piece: number, bytes: Uint8Array): Promise<void>
  /** Bytes for a peer. */
  give(piece: number, offset: number, length: number): Promise<Uint8Array>
  /** Resolves when nothing is being written any more. */
  settled(): Promise<void>
}

/** Storage as webtorrent wants it. Bytes handed to `put` are in use until its callback is called; its error bears the piece. */
export function chunkStoreOf(pieces: PieceSource): new (chunkLength: number) => ChunkStore {
  const answer = <T>(work: Promise<T>, done: (error: Error | null, value?: T) => void) =>
    void work.then((value) => done(null, value), (error: Error) => done(error))
  return class implements ChunkStore {
    readonly chunkLength: number
    constructor(chunkLength: number) {
      this.chunkLength = chunkLength
    }
    put(piece: number, bytes: Uint8Array, done: (error?: Error | null) => void) {
      answer(pieces.write(piece, bytes), (error) => done(error && Object.assign(error, { piece })))
    }
    get(piece: number, options: { offset?: number; length?: number } | null | undefined, done: (error: Error | null, bytes?: Uint8Array) => void) {
      const offset = options?.offset ?? 0
      const left = pieces.lengthOf(piece) - offset
      const length = options?.length ?? left
      // A peer asks for what it likes: only what lies inside the piece is read.
      if (offset < 0 || length <= 0 || length > left) return queueMicrotask(() => done(new Error('outside the piece')))
      answer(pieces.give(piece, offset, length), done)
    }
    close(done: (error?: Error | null) => void) {
      void pieces.settled().then(() => done(null))
    }
    destroy(done: (error?: Error | null) => void) {
      this.close(done)
    }
  }
}
