/**
 * Bencoding (BEP 3), read within fixed bounds and strictly: no leading zeros, no `-0`, keys ascending and once,
 * integers within ±2^53. Strings stay bytes (views of the input, not copies).
 */
export type Bencoded = number | Uint8Array | BencodedList | BencodedDict
export interface BencodedList { readonly kind: 'list'; readonly items: readonly Bencoded[] }
/** Keys as Latin-1 text; `span` is where each value lies in the input, so that its very bytes can be hashed. */
export interface BencodedDict {
  readonly kind: 'dict'
  readonly entries: ReadonlyMap<string, { readonly value: Bencoded; readonly start: number; readonly end: number }>
}

export interface BencodeLimits {
  readonly maxDepth: number
  readonly maxValues: number
  /** Takes keys in any order, as trackers and peers write them; still once each. What is hashed must be in order. */
  readonly anyOrder?: boolean
}

export class BencodeError extends Error {
  override readonly name = 'BencodeError'
}

/** Reads one value that fills the input. Throws BencodeError; time and memory grow with `maxValues` at most. */
export function decodeBencode(bytes: Uint8Array, limits: BencodeLimits): Bencoded {
  const cursor = { bytes, at: 0, values: 0, limits }
  const value = readValue(cursor, 0)
  if (cursor.at !== bytes.length) throw new BencodeError('data after the end')
  return value
}

/** Reads one value with something after it (BEP 9); `end` is where that begins. Throws BencodeError. */
export function decodeBencodePrefix(bytes: Uint8Array, limits: BencodeLimits): { value: Bencoded; end: number } {
  const cursor = { bytes, at: 0, values: 0, limits }
  return { value: readValue(cursor, 0), end: cursor.at }
}

/** A value of a dictionary; undefined when it is absent, or `value` is none. */
export function entryOf(value: Bencoded, key: string): Bencoded | undefined {
  return typeof value === 'object' && 'kind' in value && value.kind === 'dict' ? value.entries.get(key)?.value : undefined
}

interface Cursor { readonly bytes: Uint8Array; readonly limits: BencodeLimits; at: number; values: number }

const byte = { i: 0x69, l: 0x6c, d: 0x64, e: 0x65, zero: 0x30, nine: 0x39, colon: 0x3a, minus: 0x2d }

function readValue(cursor: Cursor, depth: number): Bencoded {
  cursor.values += 1
  if (cursor.values > cursor.limits.maxValues) throw new BencodeError('too many values')
  if (depth > cursor.limits.maxDepth) throw new BencodeError('nested too deeply')
  switch (cursor.bytes[cursor.at]) {
    case byte.i:
      cursor.at += 1
      return readInteger(cursor, byte.e)
    case byte.l: return readList(cursor, depth)
    case byte.d: return readDict(cursor, depth)
    default: return readString(cursor)
  }
}

function readList(cursor: Cursor, depth: number): BencodedList {
  const items: Bencoded[] = []
  cursor.at += 1
  while (!atEnd(cursor)) items.push(readValue(cursor, depth + 1))
  return { kind: 'list', items }
}

function readDict(cursor: Cursor, depth: number): BencodedDict {
  const entries = new Map<string, { value: Bencoded; start: number; end: number }>()
  let previous: Uint8Array | null = null
  cursor.at += 1
  while (!atEnd(cursor)) {
    const key = readString(cursor)
    if (previous && Buffer.compare(previous, key) >= 0 && !cursor.limits.anyOrder) throw new BencodeError('keys out of order')
    previous = key
    const start = cursor.at
    const value = readValue(cursor, depth + 1)
    const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
    if (entries.has(name)) throw new BencodeError('a key twice')
    entries.set(name, { value, start, end: cursor.at })
  }
  return { kind: 'dict', entries }
}

/** Steps over the `e` of a list or dictionary. */
function atEnd(cursor: Cursor): boolean {
  if (cursor.at >= cursor.bytes.length) throw new BencodeError('cut short')
  if (cursor.bytes[cursor.at] !== byte.e) return false
  cursor.at += 1
  return true
}

function readString(cursor: Cursor): Uint8Array {
  const first = cursor.bytes[cursor.at]
  if (first === undefined || first < byte.zero || first > byte.nine) throw new BencodeError('not a value')
  const length = readInteger(cursor, byte.colon)
  const end = cursor.at + length
  if (end > cursor.bytes.length) throw new BencodeError('cut short')
  const string = cursor.bytes.subarray(cursor.at, end)
  cursor.at = end
  return string
}

function readInteger(cursor: Cursor, terminator: number): number {
  const { bytes } = cursor
  const negative = bytes[cursor.at] === byte.minus
  if (negative) cursor.at += 1
  const start = cursor.at
  let value = 0
  for (let digit = bytes[cursor.at]; digit !== terminator; digit = bytes[cursor.at]) {
    // 16 digits hold 2^53; refusing more keeps the reading of a long number bounded.
    if (digit === undefined || digit < byte.zero || digit > byte.nine || cursor.at - start >= 16) throw new BencodeError('not an integer')
    value = value * 10 + (digit - byte.zero)
    cursor.at += 1
  }
  const digits = cursor.at - start
  const padded = bytes[start] === byte.zero && (digits > 1 || negative)
  if (digits === 0 || padded || !Number.isSafeInteger(value)) throw new BencodeError('not an integer')
  cursor.at += 1
  return negative ? -value : value
}

/** What `encodeBencode` writes: text goes as UTF-8, keys are sorted by their bytes. */
export type Encodable = number | string | Uint8Array | readonly Encodable[] | ReadonlyMap<string, Encodable> | RawBencode
/** Bytes that are bencoded already. */
export interface RawBencode { readonly raw: Uint8Array }

export function encodeBencode(value: Encodable): Uint8Array {
  const parts: Uint8Array[] = []
  write(value, parts)
  return new Uint8Array(Buffer.concat(parts))
}

function write(value: Encodable, parts: Uint8Array[]): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new BencodeError('not an integer')
    parts.push(Buffer.from(`i${value}e`))
  } else if (typeof value === 'string') {
    writeString(Buffer.from(value), parts)
  } else if (value instanceof Uint8Array) {
    writeString(value, parts)
  } else if (value instanceof Map) {
    parts.push(Buffer.from('d'))
    const entries = [...(value as ReadonlyMap<string, Encodable>)].map(([key, held]): [Buffer, Encodable] => [Buffer.from(key), held])
    for (const [key, held] of entries.sort(([a], [b]) => Buffer.compare(a, b))) {
      writeString(key, parts)
      write(held, parts)
    }
    parts.push(Buffer.from('e'))
  } else if ('raw' in value) {
    parts.push(value.raw)
  } else {
    parts.push(Buffer.from('l'))
    for (const item of value as readonly Encodable[]) write(item, parts)
    parts.push(Buffer.from('e'))
  }
}

function writeString(bytes: Uint8Array, parts: Uint8Array[]): void {
  parts.push(Buffer.from(`${bytes.length}:`), bytes)
}
