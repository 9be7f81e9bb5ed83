import { blockBytes } from './pipeline.ts'

/** As much of torrent-piece 4 as is used: a piece that is being put together from blocks. */
export interface Piece {
  readonly length: number
  _buffer: (Uint8Array | undefined)[] | null
  _cancellations: number[] | null
  sources: unknown[] | null
  _flushed: boolean
  flush(): Uint8Array | null
}

interface Assembly {
  readonly memory: Buffer
  /** Blocks that a wire is filling at this moment. */
  readonly claimed: Set<number>
}

/** Pieces' worth of memory that is kept for the next ones, in bytes. */
const mostKeptBytes = 16 * 1024 * 1024

/**
 * Where blocks land: in the memory of their whole piece, which is used again for the next once it is on disk. Memory taken anew for
 * each chunk and each piece made V8 look for garbage after every 32 MiB, which cost as much as all else together.
 */
export class PieceMemory {
  #pieceLength: number
  #free: Buffer[] = []
  #assemblies = new WeakMap<Piece, Assembly>()
  /** By piece index: whole, and on their way to the disk. */
  #flushed = new Map<number, Buffer>()

  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength
  }

  /**
   * Room for one block of a piece, or null where it has its bytes already, or is being filled by another wire: a block that
   * comes twice must not spoil the first. To be given back by `release` when it is whole, or never will be.
   */
  claim(piece: Piece, index: number, offset: number, length: number): { readonly into: Buffer; release(): void } | null {
    const block = offset / blockBytes
    if (!Number.isInteger(block) || piece._flushed || piece._buffer?.[block] !== undefined) return null
    if (length !== Math.min(blockBytes, piece.length - offset)) return null
    const assembly = this.#assemblyOf(piece, index)
    if (assembly.claimed.has(block)) return null
    assembly.claimed.add(block)
    return { into: assembly.memory.subarray(offset, offset + length), release: () => assembly.claimed.delete(block) }
  }

  /** The piece is on disk: nobody looks at its memory any more. */
  written(index: number): void {
    const memory = this.#flushed.get(index)
    this.#flushed.delete(index)
    if (memory && (this.#free.length + 1) * this.#pieceLength <= mostKeptBytes) this.#free.push(memory)
  }

  /** Its hash was wrong: who sent what may still be looked at, so its memory is left to the garbage collector. */
  failed(index: number): void {
    this.#flushed.delete(index)
  }

  #assemblyOf(piece: Piece, index: number): Assembly {
    let assembly = this.#assemblies.get(piece)
    if (assembly) return assembly
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#pieceLength)
    this.#assemblies.set(piece, (assembly = { memory, claimed: new Set() }))
    piece.flush = () => {
      const blocks = piece._buffer
      if (!blocks || blocks.length === 0) return null
      for (let at = 0; at < blocks.length; at += 1) {
        const block = blocks[at]
        if (block === undefined) return null
        // one that came by another way, over an encrypted wire say
        if (block.buffer !== memory.buffer) memory.set(block, at * blockBytes)
      }
      piece._buffer = piece._cancellations = piece.sources = null
      piece._flushed = true
      this.#flushed.set(index, memory)
      return memory.subarray(0, piece.length)
    }
    return assembly
  }
}
