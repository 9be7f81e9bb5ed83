/** One bit per piece, in the order of BEP 3: the first piece is the highest bit of the first byte. */
export class PieceMap {
  readonly pieces: number
  readonly bytes: Uint8Array

  /** `bytes` of another length than the pieces need are taken for none set. */
  constructor(pieces: number, bytes?: Uint8Array) {
    const length = Math.ceil(pieces / 8)
    this.pieces = pieces
    this.bytes = bytes?.length === length ? Uint8Array.from(bytes) : new Uint8Array(length)
  }

  has(piece: number): boolean {
    return (((this.bytes[piece >> 3] ?? 0) >> (7 - (piece & 7))) & 1) === 1
  }

  add(piece: number): void {
    this.bytes[piece >> 3] = (this.bytes[piece >> 3] ?? 0) | (0x80 >> (piece & 7))
  }

  delete(piece: number): void {
    this.bytes[piece >> 3] = (this.bytes[piece >> 3] ?? 0) & ~(0x80 >> (piece & 7))
  }

  count(): number {
    let set = 0
    for (let piece = 0; piece < this.pieces; piece += 1) if (this.has(piece)) set += 1
    return set
  }
}
