import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { TestApp } from '../test/app.ts'
import { startPlayableTitle, type PlayableTitle } from '../test/playable-title.ts'
import { answersIn, exchange, type RawResponse } from '../test/raw-http.ts'
import type { Swarm } from '../test/swarm.ts'

// Over bare sockets: what a client library would repair or refuse is sent as it stands.

const sizeBytes = 3_000_000
const [film, empty, small, nasty] = [0, 1, 2, 3]
const nastyName = 'an "evil"\r\nSet-Cookie: a=b; film.mkv'
let title: PlayableTitle
let swarm: Swarm
let app: TestApp
let etag: string
const urls: string[] = []
const read = (start: number, end: number, file = film) => swarm.files[file]?.read(start, end - start + 1) ?? expect.fail('no file')

beforeAll(async () => {
  title = await startPlayableTitle({ app: { settings: { RATE_LIMIT_FACTOR: '1000' } }, swarm: { name: 'pack', files: [{ path: 'a "quoted"\tfilm.mp4', sizeBytes }, { path: 'empty.txt', sizeBytes: 0 }, { path: 'small.webm', sizeBytes: 1_000 }, { path: nastyName, sizeBytes: 10 }] } });
  ({ swarm, app } = title)
  etag = `"${swarm.infoHash}-0"`
  for (const index of swarm.files.keys()) {
    const { status, body } = await title.playback(index)
    expect([status, body.sizeBytes]).toEqual([201, swarm.files[index]?.sizeBytes])
    urls.push(body.url as string)
  }
})
afterAll(() => title[Symbol.asyncDispose]())

type Asked = { file?: number; method?: string; version?: string; headers?: Record<string, string>; last?: boolean }
function requestFor({ file = film, method = 'GET', version = '1.1', headers = {}, last = true }: Asked): string {
  const { host, pathname } = new URL(urls[file] ?? '')
  const fields = { host, ...headers, ...(last && version === '1.1' ? { connection: 'close' } : {}) }
  return `${method} ${pathname} HTTP/${version}\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}
async function ask(asked: Asked): Promise<RawResponse> {
  const [answer] = answersIn(await exchange(app.baseUrl, requestFor(asked)), [asked.method ?? 'GET'])
  return answer ?? expect.fail('no answer')
}
const askRange = (range: string, more: Asked = {}) => ask({ ...more, headers: { range, ...more.headers } })
const codeOf = ({ body }: RawResponse): unknown => (JSON.parse(body.toString()) as { code: string }).code

describe('ranges (RFC 9110)', () => {
  test('the whole file, every byte of it', async () => {
    const { status, headers, body } = await ask({})
    expect([status, headers]).toMatchObject([200, {
      'accept-ranges': 'bytes',
      'content-length': String(sizeBytes),
      'content-type': 'video/mp4',
      'content-disposition': 'inline; filename="a_quoted_film.mp4"',
      'cache-control': 'private',
      'x-content-type-options': 'nosniff',
      etag,
    }])
    expect(createHash('sha256').update(body).digest('hex')).toBe(swarm.files[film]?.sha256)
  })

  test.each([
    ['a closed range', 'bytes=0-99', 0, 99],
    ['one byte', 'bytes=0-0', 0, 0],
    ['the last byte', `bytes=${sizeBytes - 1}-${sizeBytes - 1}`, sizeBytes - 1, sizeBytes - 1],
    ['across pieces', 'bytes=262000-263000', 262_000, 263_000],
    ['an open range', `bytes=${sizeBytes - 10}-`, sizeBytes - 10, sizeBytes - 1],
    ['all of it, as a range', 'bytes=0-', 0, sizeBytes - 1],
    ['a suffix', 'bytes=-500', sizeBytes - 500, sizeBytes - 1],
    ['a suffix longer than the file', 'bytes=-99999999', 0, sizeBytes - 1],
    ['an end past the end', `bytes=2999990-99999999`, 2_999_990, sizeBytes - 1],
    ['an end past what numbers hold', `bytes=2999990-${'9'.repeat(400)}`, 2_999_990, sizeBytes - 1],
    ['leading zeros', 'bytes=0005-00009', 5, 9],
    ['another case and white space', 'Bytes= 5-9 ', 5, 9],
    ['empty list elements', 'bytes=,5-9, ,', 5, 9],
    ['one of two that is there', `bytes=5-9,${sizeBytes}-`, 5, 9],
  ])('206 for %s', async (_what, range, start, end) => {
    const { status, headers, body } = await askRange(range)
    expect([status, headers['content-range'], headers['content-length'], headers['etag']]).toEqual([206, `bytes ${start}-${end}/${sizeBytes}`, String(end - start + 1), etag])
    expect(body.equals(Buffer.from(await read(start, end)))).toBe(true)
  })

  test.each([
    ['a start past the end', `bytes=${sizeBytes}-`],
    ['a start past what numbers hold', `bytes=${'9'.repeat(400)}-`],
    ['an empty suffix', 'bytes=-0'],
    ['six ranges', 'bytes=0-1,3-4,6-7,9-10,12-13,15-16'],
    ['a thousand ranges', `bytes=${Array.from({ length: 1000 }, (_, i) => `${i * 3}-${i * 3}`).join(',')}`],
    ['overlapping ranges', 'bytes=0-10,5-20'],
    ['the same range twice', 'bytes=0-10,0-10'],
    ['descending ranges', 'bytes=50-60,0-10'],
  ])('416 for %s', async (_what, range) => {
    const answer = await askRange(range)
    expect([answer.status, answer.headers['content-range'], answer.headers['etag'], codeOf(answer)]).toEqual([416, `bytes */${sizeBytes}`, etag, 'range_not_satisfiable'])
  })

  test.each([
    ['an unknown unit', 'lines=0-10'],
    ['no unit', '0-10'],
    ['nonsense', 'bytes=abc'],
    ['a descending range', 'bytes=20-10'],
    ['no range', 'bytes='],
    ['a negative start', 'bytes=--5'],
    ['a sign', 'bytes=+5-9'],
    ['a number that is none', 'bytes=1e1-20'],
    ['digits of another script', 'bytes=\u0661-\u0662'],
    ['one part that cannot be read', 'bytes=0-1,x'],
  ])('200 for %s, as if there were none', async (_what, range) => {
    const { status, headers, body } = await askRange(range, { file: small })
    expect([status, headers['content-length'], headers['content-range'], body.length]).toEqual([200, '1000', undefined, 1000])
  })

  test('five ascending ranges as multipart/byteranges', async () => {
    const ranges = [[0, 9], [100, 199], [262_140, 262_150], [1_000_000, 1_000_000], [2_999_999, 2_999_999]] as const
    const { status, headers, body } = await askRange(`bytes=${ranges.map((pair) => pair.join('-')).join(', ')}`)
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(headers['content-type'] ?? '')?.[1]
    expect([status, headers['content-length']]).toEqual([206, String(body.length)])
    const expected = await Promise.all(
      ranges.map(async ([start, end], i) =>
        Buffer.concat([Buffer.from(`${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes ${start}-${end}/${sizeBytes}\r\n\r\n`), await read(start, end)]),
      ),
    )
    expect(body.equals(Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)]))).toBe(true)
  })

  test.each<[string, () => Record<string, string>, number]>([
    ['the current tag', () => ({ 'if-range': etag }), 206],
    ['the current tag, in white space', () => ({ 'if-range': ` ${etag} ` }), 206],
    ['another tag', () => ({ 'if-range': '"other"' }), 200],
    ['the tag of another file', () => ({ 'if-range': etag.replace(/0"$/, '1"') }), 200],
    ['a weak tag', () => ({ 'if-range': `W/${etag}` }), 200],
    ['a list of tags', () => ({ 'if-range': `"a", ${etag}` }), 200],
    ['a tag without quotes', () => ({ 'if-range': etag.slice(1, -1) }), 200],
    ['a date', () => ({ 'if-range': 'Wed, 21 Oct 2015 07:28:00 GMT' }), 200],
    ['nothing', () => ({ 'if-range': '' }), 200],
    ['the current tag, and a range that is not there', () => ({ 'if-range': etag, range: `bytes=${sizeBytes}-` }), 416],
    ['another tag, and a range that is not there', () => ({ 'if-range': '"other"', range: `bytes=${sizeBytes}-` }), 200],
  ])('If-Range with %s', async (_what, headers, status) => {
    const answer = await ask({ headers: { range: 'bytes=0-9', ...headers() } })
    expect([answer.status, answer.body.length]).toEqual([status, { 206: 10, 200: sizeBytes, 416: answer.body.length }[status]])
  })

  test('HEAD is GET without the bytes, and asks the swarm for nothing', async () => {
    const { status, headers, body } = await askRange('bytes=0-9', { method: 'HEAD' })
    expect([status, headers['content-length'], headers['accept-ranges'], headers['etag'], body.length]).toEqual([200, String(sizeBytes), 'bytes', etag, 0])
  })

  test('an empty file is empty, and has no ranges', async () => {
    const whole = await ask({ file: empty })
    expect([whole.status, whole.headers['content-length'], whole.body.length]).toEqual([200, '0', 0])
    const answers = await Promise.all(['bytes=0-', 'bytes=0-0', 'bytes=-0'].map((range) => askRange(range, { file: empty })))
    expect(answers.map(({ status, headers }) => [status, headers['content-range']])).toEqual(answers.map(() => [416, 'bytes */0']))
    // its last byte of none is all of it: there is no way to write that as a range
    expect((await askRange('bytes=-1', { file: empty })).status).toBe(200)
  })

  test('names of torrents break no header, and types follow them', async () => {
    const answers = await Promise.all([film, empty, small, nasty].map((file) => ask({ file, method: 'HEAD' })))
    expect(answers.map(({ headers }) => [headers['content-type'], headers['content-disposition'], headers['set-cookie']])).toEqual([
      ['video/mp4', 'inline; filename="a_quoted_film.mp4"', undefined],
      ['text/plain', 'inline; filename="empty.txt"', undefined],
      ['video/webm', 'inline; filename="small.webm"', undefined],
      ['video/x-matroska', expect.stringMatching(/^inline; filename="[\w.-]+\.mkv"$/), undefined],
    ])
    expect(urls.every((url) => /^[\x21-\x7e]+$/.test(url) && !/["<>\\]/.test(url))).toBe(true)
  })
})

describe('on the wire', () => {
  test('HTTP/1.0', async () => {
    const { status, body } = await askRange('bytes=0-3', { version: '1.0' })
    expect([status, body.equals(Buffer.from(await read(0, 3)))]).toEqual([206, true])
  })

  test('requests sent one behind the other on one connection are answered in turn', async () => {
    const asked: Asked[] = [{ headers: { range: 'bytes=0-3' } }, { method: 'HEAD' }, { headers: { range: `bytes=${sizeBytes}-` } }, { file: empty }, { file: small }, { headers: { range: 'bytes=4-7' } }]
    const answers = answersIn(await exchange(app.baseUrl, asked.map((one, at) => requestFor({ ...one, last: at === asked.length - 1 })).join('')), asked.map(({ method = 'GET' }) => method))
    expect(answers.map(({ status, headers }) => [status, headers['content-range']])).toEqual([[206, `bytes 0-3/${sizeBytes}`], [200, undefined], [416, `bytes */${sizeBytes}`], [200, undefined], [200, undefined], [206, `bytes 4-7/${sizeBytes}`]])
    expect(answers.at(-1)?.body.equals(Buffer.from(await read(4, 7)))).toBe(true)
  })

  test('one that goes away in the middle leaves nothing behind', async () => {
    for (let n = 0; n < 20; n += 1) {
      const socket = connect(Number(new URL(app.baseUrl).port), '127.0.0.1', () => socket.write(requestFor({ headers: { range: `bytes=${n * 1000}-` } })))
      await new Promise((resolve) => socket.once('data', resolve))
      socket.resetAndDestroy()
    }
    const readers = async () => (await app.deps.engine.stats()).torrents.reduce((sum, torrent) => sum + torrent.readers, 0)
    await vi.waitFor(async () => expect(await readers()).toBe(0), { timeout: 10_000, interval: 20 })
    expect((await askRange('bytes=0-0')).status).toBe(206)
  })

  test('other methods are refused with what is allowed', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const { status, headers } = await ask({ method })
      expect([method, status, headers['allow']]).toEqual([method, 405, 'GET, HEAD'])
    }
  })

  test('whatever the Range field is, the answer is whole, documented and in time', async () => {
    const part = fc.oneof(fc.nat(1_200), fc.constantFrom('', '-', '+', 'x', '1e3', '18446744073709551616', '0x10', ' '))
    const spec = fc.tuple(part, fc.constantFrom('-', '--', '', ':'), part).map((parts) => parts.join(''))
    const field = fc.oneof(
      fc.tuple(fc.constantFrom('bytes', 'BYTES', 'bytes ', 'lines', '', 'bytes=bytes'), fc.array(spec, { maxLength: 8 }), fc.constantFrom(',', ', ', ';', ' ')).map(([unit, specs, between]) => `${unit}=${specs.join(between)}`),
      fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,60}$/),
    )
    const whole = Buffer.from(await read(0, 999, small))
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 8 }), async (fields) => {
        const sent = fields.map((range, at) => requestFor({ file: small, headers: { range }, last: at === fields.length - 1 })).join('')
        const answers = answersIn(await exchange(app.baseUrl, Buffer.from(sent, 'latin1')), fields.map(() => 'GET'))
        expect(answers.length).toBe(fields.length)
        for (const { status, headers, body } of answers) {
          expect([200, 206, 416]).toContain(status)
          const [, start, end] = /^bytes (\d+)-(\d+)\/1000$/.exec(headers['content-range'] ?? '') ?? []
          if (status === 416) expect(headers['content-range']).toBe('bytes */1000')
          else if (start !== undefined) expect(body.equals(whole.subarray(Number(start), Number(end) + 1))).toBe(true)
          else if (status === 200) expect(body.equals(whole)).toBe(true)
          else expect(headers['content-type']).toMatch(/^multipart\/byteranges/)
        }
      }),
      { numRuns: 60 },
    )
  })
})
