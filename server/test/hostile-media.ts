/** Media files that nobody's encoder made, for the parser of them to survive or not: each is small, what it claims is not. */

const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n)
  return bytes
}
/** A box of ISO 14496-12; one of `claimed` bytes has its size as 64 bits, true or not. */
const box = (type: string, content: Buffer, claimed?: bigint): Buffer => {
  if (claimed === undefined) return Buffer.concat([u32(content.length + 8), Buffer.from(type, 'latin1'), content])
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(claimed)
  return Buffer.concat([u32(1), Buffer.from(type, 'latin1'), size, content])
}
const fullBox = (type: string, ...content: Buffer[]): Buffer => box(type, Buffer.concat([u32(0), ...content]))
const fileType = box('ftyp', Buffer.from('isom\0\0\0\0isommp42', 'latin1'))

/** An element of EBML (RFC 8794) with a size of eight bytes. */
const element = (id: string, content: Buffer, claimed = BigInt(content.length)): Buffer => {
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(claimed | (1n << 56n))
  return Buffer.concat([Buffer.from(id, 'hex'), size, content])
}
const matroska = (...content: Buffer[]): Buffer => Buffer.concat([element('1a45dfa3', element('4282', Buffer.from('matroska'))), element('18538067', Buffer.concat(content))])

/** `headBytes` of each of `deep` headers within one another, the outermost first. */
function nested(deep: number, headBytes: number, head: (within: number) => Buffer): Buffer {
  const bytes = Buffer.alloc(deep * headBytes)
  for (let i = 0; i < deep; i += 1) head((deep - 1 - i) * headBytes).copy(bytes, i * headBytes)
  return bytes
}

export const hostile = {
  'an mp4 whose index claims 2^60 bytes': () => Buffer.concat([fileType, box('moov', Buffer.alloc(100_000, 7), 1n << 60n)]),
  'an mp4 of 200,000 boxes within each other': () => Buffer.concat([fileType, nested(200_000, 8, (within) => Buffer.concat([u32(within + 8), Buffer.from('moov')]))]),
  'an mkv whose tracks claim 2^56 bytes': () => matroska(element('1654ae6b', Buffer.alloc(100_000, 7), (1n << 56n) - 2n)),
  'an mkv of 200,000 tags within each other': () => matroska(element('1254c367', element('7373', nested(200_000, 10, (within) => element('67c8', Buffer.alloc(0), BigInt(within)))))),
  'a text by the name of a film': () => Buffer.from('Call me Ishmael.\n'.repeat(2_000)),
}

/** Four billion samples in 60 bytes: MediaInfo makes room for them all. */
export const memoryBomb = (): Buffer => Buffer.concat([fileType, box('moov', box('trak', box('mdia', box('minf', box('stbl', Buffer.concat([
  fullBox('stsz', u32(0), u32(0xffffffff), Buffer.alloc(1_000)),
  fullBox('stts', u32(0xffffffff), Buffer.alloc(1_000)),
  fullBox('stco', u32(0xffffffff), Buffer.alloc(1_000)),
]))))))])

/** Tracks by the ten thousand: MediaInfo's time grows with their square. */
export function timeBomb(): Buffer {
  const track = element('ae', Buffer.concat([element('d7', Buffer.from([1])), element('83', Buffer.from([2])), element('86', Buffer.from('A_AAC'))]))
  return matroska(element('1654ae6b', Buffer.concat(Array.from({ length: 40_000 }, () => track))))
}

/** The beginning and the end of an mp4 with its index at the end, made so long by zeros after its content. */
export function lengthened(mp4: Buffer, sizeBytes: number): { beginning: Buffer; end: Buffer } {
  const content = mp4.indexOf('mdat') - 4
  const index = content + mp4.readUInt32BE(content)
  const beginning = Buffer.from(mp4.subarray(0, index))
  beginning.writeUInt32BE(index - content + sizeBytes - mp4.length, content)
  return { beginning, end: mp4.subarray(index) }
}
