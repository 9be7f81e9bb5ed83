import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { decodeBencode, encodeBencode, type Encodable } from './bencode.ts'
import { infoHashOf } from './infohash.ts'
import { buildTorrentFile, parseInfo, parseTorrentFile, torrentLimits, TorrentRefused } from './torrent.ts'

type Fields = Record<string, Encodable>
const dict = (fields: Fields) => new Map(Object.entries(fields))
const file = (length: number, ...path: (string | Uint8Array)[]) => dict({ length, path })
const single: Fields = { name: 'clip.mp4', length: 40_000, 'piece length': 16_384, pieces: new Uint8Array(60) }
const several = (...files: Encodable[]): Fields => ({ name: 'folder', files, 'piece length': 16_384, pieces: new Uint8Array(20) })
const torrent = (info: Fields, outer: Fields = {}) => encodeBencode(dict({ ...outer, info: dict(info) }))

describe('a torrent of one file', () => {
  const parsed = parseTorrentFile(torrent(single))

  it('is what its info dictionary says', () => {
    expect(parsed).toMatchObject({ name: 'clip.mp4', pieceLength: 16_384, sizeBytes: 40_000, private: false, trackers: [], webSeeds: [] })
    expect(parsed.files).toEqual([{ index: 0, path: 'clip.mp4', lengthBytes: 40_000, offset: 0, padding: false }])
  })

  it('is named by the hash of the very bytes of its info dictionary', () => {
    expect(parsed.infoHash).toBe(infoHashOf(encodeBencode(dict(single))))
    expect(parsed.infoHash).toBe(infoHashOf(parsed.infoBytes))
  })

  it('reads the same from the info dictionary alone', () => {
    const { trackers: _trackers, webSeeds: _webSeeds, ...info } = parsed
    expect(parseInfo(parsed.infoBytes)).toEqual(info)
  })
})

it('lists several files with where each begins', () => {
  const parsed = parseTorrentFile(torrent(several(file(100, 'a', 'b.mkv'), dict({ length: 50, path: ['.pad', '50'], attr: 'p' }), file(0, 'empty'), file(7, 'a', 'c.srt'))))
  expect(parsed.files).toEqual([
    { index: 0, path: 'a/b.mkv', lengthBytes: 100, offset: 0, padding: false },
    { index: 1, path: '.pad/50', lengthBytes: 50, offset: 100, padding: true },
    { index: 2, path: 'empty', lengthBytes: 0, offset: 150, padding: false },
    { index: 3, path: 'a/c.srt', lengthBytes: 7, offset: 150, padding: false },
  ])
  expect(parsed.sizeBytes).toBe(157)
})

it('reads the hints of trackers and web seeds, once each, and the private flag', () => {
  const parsed = parseTorrentFile(torrent({ ...single, private: 1 }, {
    announce: 'http://one.example/announce',
    'announce-list': [['http://one.example/announce', 'udp://two.example:6969'], ['wss://three.example', 5, []]],
    'url-list': ['http://seed.example/a', ''],
  }))
  expect(parsed.trackers).toEqual(['http://one.example/announce', 'udp://two.example:6969', 'wss://three.example'])
  expect(parsed.webSeeds).toEqual(['http://seed.example/a'])
  expect(parsed.private).toBe(true)
})

it('keeps info-hash and bytes of fields it does not know', () => {
  const parsed = parseTorrentFile(torrent({ ...single, source: 'X', 'x_cross_seed': 'y' }))
  expect(infoHashOf(parsed.infoBytes)).toBe(infoHashOf(encodeBencode(dict({ ...single, source: 'X', 'x_cross_seed': 'y' }))))
})

describe('a torrent of our own making', () => {
  it('holds the info dictionary and the trackers given, and nothing else', () => {
    const hostile = parseTorrentFile(torrent(single, { announce: 'http://127.0.0.1/', 'url-list': 'file:///etc/passwd', nodes: [['10.0.0.1', 6881]], comment: 'x' }))
    const made = buildTorrentFile(hostile.infoBytes, ['http://tracker.example/announce'])
    const parsed = parseTorrentFile(made)
    expect(parsed).toMatchObject({ infoHash: hostile.infoHash, trackers: ['http://tracker.example/announce'], webSeeds: [] })
    const outer = decodeBencode(made, torrentLimits.bencode)
    expect(typeof outer === 'object' && 'kind' in outer && outer.kind === 'dict' ? [...outer.entries.keys()] : []).toEqual(['announce', 'announce-list', 'info'])
    expect(Buffer.from(buildTorrentFile(hostile.infoBytes, [])).toString('latin1')).toMatch(/^d4:infod.*ee$/s)
  })
})

describe('what is refused', () => {
  const many = Array.from({ length: torrentLimits.files + 1 }, () => file(1, 'x'))
  const cases: [string, Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['text', Buffer.from('hello')],
    ['a list', Buffer.from('le')],
    ['no info', Buffer.from('de')],
    ['info that is no dictionary', Buffer.from('d4:infoi1ee')],
    ['200,000 nested lists', Buffer.from(`d4:info${'l'.repeat(200_000)}${'e'.repeat(200_000)}e`)],
    ['200,000 nested dictionaries', Buffer.from('d4:info'.repeat(200_000))],
    ['a file of 11 MiB', Buffer.alloc(11 * 1024 * 1024, 0x64)],
    ['a million values', Buffer.from(`d4:infol${'le'.repeat(1_000_000)}ee`)],
    ['piece length 0', torrent({ ...single, 'piece length': 0 })],
    ['negative piece length', torrent({ ...single, 'piece length': -16_384 })],
    ['piece length 2^31', torrent({ ...single, 'piece length': 2 ** 31, pieces: new Uint8Array(20) })],
    ['piece length of one byte', torrent({ ...single, length: 3, 'piece length': 1 })],
    ['piece length that is text', torrent({ ...single, 'piece length': '16384' })],
    ['no pieces', torrent({ ...single, pieces: new Uint8Array() })],
    ['a piece too few', torrent({ ...single, pieces: new Uint8Array(40) })],
    ['a piece too many', torrent({ ...single, pieces: new Uint8Array(80) })],
    ['half a hash', torrent({ ...single, pieces: new Uint8Array(61) })],
    ['pieces that are a list', torrent({ ...single, pieces: [] })],
    ['version 2 only', torrent({ name: 'x', 'meta version': 2, 'piece length': 16_384, 'file tree': dict({}) })],
    ['no bytes', torrent({ ...single, length: 0, pieces: new Uint8Array() })],
    ['negative length', torrent({ ...single, length: -1 })],
    ['no length', torrent({ name: 'x', 'piece length': 16_384, pieces: new Uint8Array(20) })],
    ['length 2^53', Buffer.from(Buffer.from(torrent(single)).toString('latin1').replace('i40000e', 'i9007199254740992e'), 'latin1')],
    ['no name', torrent({ length: 1, 'piece length': 16_384, pieces: new Uint8Array(20) })],
    ['a name that is a number', torrent({ ...single, name: 5 })],
    ['no files', torrent(several())],
    ['files that are a dictionary', torrent({ ...several(), files: dict({}) })],
    ['a file that is text', torrent(several('x'))],
    ['a file without a path', torrent(several(dict({ length: 1 })))],
    ['a file with an empty path', torrent(several(file(1)))],
    ['a path that is text', torrent(several(dict({ length: 1, path: 'abc' })))],
    ['a path of numbers', torrent(several(dict({ length: 1, path: [1] })))],
    ['a negative length among files', torrent(several(file(5, 'a'), file(-4, 'b')))],
    ['lengths that add up beyond 2^53', torrent(several(file(Number.MAX_SAFE_INTEGER, 'a'), file(1, 'b')))],
    ['too many files', torrent(several(...many))],
    ['files of 2^53 bytes each', torrent(several(file(2 ** 53 - 1, 'a'), file(2 ** 53 - 1, 'b')))],
    ['a file of 10^11 bytes and one piece', torrent({ ...single, length: 100_000_000_000 })],
    ['more names than it may have', torrent(several(...Array.from({ length: 2_500 }, () => file(1, 'x'.repeat(1000)))))],
    ['100,000 keys', Buffer.from(`d4:infod${Array.from({ length: 100_001 }, (_, at) => `6:${String(at).padStart(6, '0')}0:`).join('')}ee`)],
    ['a key twice', Buffer.from('d4:infod4:name1:x4:name1:yee')],
    ['a path too deep', torrent(several(file(1, ...Array.from({ length: 40 }, () => 'd'))))],
    ['a name too long', torrent(several(file(1, 'x'.repeat(5000))))],
    ['keys out of order', Buffer.from('d4:infod6:pieces20:000000000000000000004:name1:x12:piece lengthi16384e6:lengthi1eee')],
  ]
  test.each(cases)('%s', (_what, bytes) => {
    const before = performance.now()
    expect(() => parseTorrentFile(bytes)).toThrow(TorrentRefused)
    expect(performance.now() - before).toBeLessThan(10_000)
  })

  test.each<[string, (string | Uint8Array)[]]>([
    ['..', ['..', 'etc', 'passwd']],
    ['.. in the middle', ['a', '..', 'b']],
    ['.', ['.']],
    ['a slash inside', ['../../etc/passwd']],
    ['absolute', ['/etc/passwd']],
    ['a backslash', ['..\\..\\windows']],
    ['NUL', ['a\0b']],
    ['an empty part', ['a', '']],
  ])('a path with %s', (_what, path) => {
    expect(() => parseTorrentFile(torrent(several(file(1, ...path))))).toThrow(TorrentRefused)
    if (path.length === 1) expect(() => parseTorrentFile(torrent({ ...single, name: path[0] ?? '' }))).toThrow(TorrentRefused)
  })
})

/** The worst found for each part of the reading, at the bounds: what an upload can cost the process that reads it (control D5). */
test.each<[string, () => Uint8Array]>([
  ['flat lists', () => Buffer.from(`d4:infol${'le'.repeat(5_000_000)}ee`)],
  ['empty strings', () => Buffer.from(`d4:infol${'0:'.repeat(5_000_000)}ee`)],
  ['small dictionaries', () => Buffer.from(`d4:infol${'d1:ai1ee'.repeat(49_000)}ee`)],
  ['keys', () => Buffer.from(`d4:infod${Array.from({ length: 99_000 }, (_, at) => `6:${String(at).padStart(6, '0')}0:`).join('')}ee`)],
  ['names that take long to clean', () => torrent(several(...Array.from({ length: 2_000 }, () => file(1, Buffer.from('a\u0315\u0300\u05ae\u0300'.repeat(110)).subarray(0, 999)))))],
  ['files', () => torrent(several(...Array.from({ length: 10_000 }, () => file(1, 'a', 'b'))))],
  ['pieces', () => torrent({ ...single, length: 520_000 * 16_384, pieces: new Uint8Array(520_000 * 20) })],
  ['trackers', () => torrent(single, { 'announce-list': [Array.from({ length: 5_000 }, (_, at) => `${at}${'x'.repeat(1_990)}`)] })],
])('the most %s that fit cost a bounded time', (_what, make) => {
  const bytes = make()
  const before = process.threadCpuUsage().user
  try {
    parseTorrentFile(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(TorrentRefused)
  }
  expect((process.threadCpuUsage().user - before) / 1_000).toBeLessThan(2_000) // 81 ms at most when measured
})

test.each([
  ['line breaks', 'a\r\nSet-Cookie: x.mp4', 'a  Set-Cookie: x.mp4'],
  ['an escape', 'a\u001b[31m.mp4', 'a [31m.mp4'],
  ['a mark that reverses', 'gpj\u202eexe.mp4', 'gpjexe.mp4'],
  ['invisible marks', 'a\u200bb.mp4', 'ab.mp4'],
  ['only invisible marks', '\u200b', '_'],
  ['dots once cleaned', '\u200b..', '_'],
  ['white space around', ' a ', 'a'],
  ['other scripts', 'Ünïcode 映画.mkv', 'Ünïcode 映画.mkv'],
  ['quotes', `"it's".mp4`, `"it's".mp4`],
])('a name with %s is shown without', (_what, name, shown) => {
  expect(parseTorrentFile(torrent({ ...single, name })).files[0]?.path).toBe(shown)
})

it('shows a name that is not UTF-8 with a replacement', () => {
  expect(parseTorrentFile(torrent({ ...single, name: Buffer.from([0x61, 0xff, 0x62]) })).name).toBe('a\ufffdb')
})

it('answers any bytes with a torrent or TorrentRefused, and names never leave their folder', () => {
  const part = fc.oneof(fc.string(), fc.constantFrom('..', '.', '', '/', 'a\0', '\u202e..'), fc.uint8Array({ maxLength: 8 }))
  const names = fc.array(part, { maxLength: 3 }).map((path) => torrent(several(dict({ length: 1, path }))))
  const cut = fc.nat(200).map((length) => torrent(single).subarray(0, length))
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), names, cut), (bytes) => {
    try {
      for (const { path } of parseTorrentFile(bytes).files) {
        expect(path.split('/').every((shown) => shown !== '' && shown !== '.' && shown !== '..')).toBe(true)
        expect(path).not.toMatch(/[\p{Cc}\\]/u)
      }
    } catch (error) {
      expect(error).toBeInstanceOf(TorrentRefused)
    }
  }), { numRuns: 1000 })
})
