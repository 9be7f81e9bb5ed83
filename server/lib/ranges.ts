/**
 * Byte ranges as RFC 9110 §14 describes them, with this project's stricter rule for several at once:
 * at most five, ascending and disjoint. Pure; positions are safe up to 2^53 − 1.
 */

/** Bytes `start` to `end`, both included, as in `Content-Range`. */
export interface ByteRange { readonly start: number; readonly end: number }

/** What a request asked of a representation: all of it (200), parts (206), or what is not there (416). */
export type RangeSelection =
  | { readonly kind: 'full' }
  | { readonly kind: 'partial'; readonly ranges: readonly [ByteRange, ...ByteRange[]] }
  | { readonly kind: 'unsatisfiable' }

export interface RangeRequest {
  readonly method: string
  /** The `Range` and `If-Range` fields as received; undefined when absent. */
  readonly range: string | undefined
  readonly ifRange: string | undefined
  /** The current strong entity tag, quotes included. */
  readonly etag: string
  readonly sizeBytes: number
}

export const maxRanges = 5

const full: RangeSelection = { kind: 'full' }
const unsatisfiable: RangeSelection = { kind: 'unsatisfiable' }

/** Decides what to send. Range is defined for GET alone; a field that cannot be read is ignored (§14.2). */
export function selectRanges(request: RangeRequest): RangeSelection {
  if (request.method !== 'GET' || request.range === undefined) return full
  if (request.ifRange !== undefined && !ifRangeMatches(request.ifRange, request.etag)) return full
  const specs = parseRangeField(request.range)
  if (specs === null) return full
  if (specs.length > maxRanges) return unsatisfiable
  // No range of an empty file can be written as Content-Range, so its satisfiable suffix is the whole of it.
  if (request.sizeBytes === 0) return specs.some((spec) => spec.kind === 'suffix' && spec.length > 0n) ? full : unsatisfiable
  const ranges = specs.flatMap((spec) => resolve(spec, BigInt(request.sizeBytes)))
  const [first, ...rest] = ranges
  if (!first) return unsatisfiable
  const ascending = ranges.every((range, i) => i === 0 || range.start > (ranges[i - 1]?.end ?? Infinity))
  return ascending ? { kind: 'partial', ranges: [first, ...rest] } : unsatisfiable
}

/**
 * `If-Range` by strong comparison (RFC 9110 §13.1.5): a weak tag never matches, and neither does a date,
 * because nothing here has a `Last-Modified`.
 */
export function ifRangeMatches(field: string, etag: string): boolean {
  const given = field.trim()
  return given.startsWith('"') && given === etag
}

type RangeSpec =
  | { readonly kind: 'from'; readonly first: bigint; readonly last: bigint | null }
  | { readonly kind: 'suffix'; readonly length: bigint }

/** The specs of a `bytes=` field, or null when the unit is another or any part is malformed. */
function parseRangeField(field: string): RangeSpec[] | null {
  const equals = field.indexOf('=')
  if (equals < 0 || field.slice(0, equals).trim().toLowerCase() !== 'bytes') return null
  const specs: RangeSpec[] = []
  for (const element of field.slice(equals + 1).split(',')) {
    const text = element.trim()
    if (text === '') continue // RFC 9110 §5.6.1.2: empty list elements are to be skipped
    const spec = parseSpec(text)
    if (!spec) return null
    specs.push(spec)
  }
  return specs.length > 0 ? specs : null
}

function parseSpec(text: string): RangeSpec | null {
  const dash = text.indexOf('-')
  if (dash < 0) return null
  const [first, last] = [text.slice(0, dash), text.slice(dash + 1)]
  if (!/^\d*$/.test(first) || !/^\d*$/.test(last)) return null
  if (first === '') return last === '' ? null : { kind: 'suffix', length: BigInt(last) }
  const from = BigInt(first)
  const to = last === '' ? null : BigInt(last)
  return to !== null && to < from ? null : { kind: 'from', first: from, last: to }
}

/** The positions a spec means in a file of `size` bytes (> 0): one range, or none when it cannot be met. */
function resolve(spec: RangeSpec, size: bigint): ByteRange[] {
  if (spec.kind === 'suffix') {
    if (spec.length === 0n) return []
    const start = spec.length >= size ? 0n : size - spec.length
    return [{ start: Number(start), end: Number(size - 1n) }]
  }
  if (spec.first >= size) return []
  const end = spec.last === null || spec.last >= size ? size - 1n : spec.last
  return [{ start: Number(spec.first), end: Number(end) }]
}

export const lengthOf = (range: ByteRange): number => range.end - range.start + 1

/** `Content-Range` of one part, and of a 416. */
export const contentRange = (range: ByteRange, sizeBytes: number): string => `bytes ${range.start}-${range.end}/${sizeBytes}`
export const unsatisfiedContentRange = (sizeBytes: number): string => `bytes */${sizeBytes}`

export interface MultipartLayout {
  readonly contentType: string
  readonly contentLength: number
  /** What to write before each range's bytes, in the order of the ranges. */
  readonly heads: readonly string[]
  readonly tail: string
}

/** The frame of a `multipart/byteranges` body (RFC 9110 §14.6). `boundary` must not occur in the content. */
export function multipartLayout(ranges: readonly ByteRange[], sizeBytes: number, partType: string, boundary: string): MultipartLayout {
  const heads = ranges.map((range, i) =>
    `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${partType}\r\nContent-Range: ${contentRange(range, sizeBytes)}\r\n\r\n`)
  const tail = `\r\n--${boundary}--\r\n`
  const framing = heads.reduce((sum, head) => sum + Buffer.byteLength(head), Buffer.byteLength(tail))
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    contentLength: ranges.reduce((sum, range) => sum + lengthOf(range), framing),
    heads,
    tail,
  }
}
