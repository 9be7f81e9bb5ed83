import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { startPlayableTitle, type PlayableTitle } from '../test/playable-title.ts'
import type { Swarm } from '../test/swarm.ts'

let folder: string
let title: PlayableTitle
let swarm: Swarm
let app: TestApp
let viewer: Person
let torrentId: string
type Link = { url: string; playlistUrl: string; subtitles: { language: string | null; label: string; url: string }[] }
const play = async (file = 0, token = viewer.token) => (await title.playback(file, token)).body as Link

const cue = (words: string) => `1\r\n00:00:01,000 --> 00:00:02,500\r\n${words}\r\n\r\n`
const contents: Record<string, string | Buffer> = {
  'Show.S01E01.en.srt': cue('<i>Hello</i> --> <script>alert(1)</script>'),
  'Show.S01E01.ru.srt': Buffer.from('\ufeffпривет', 'utf16le'),
  'Subs/Show.S01E01/3_German.ass': '[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.50,{\\an8}Grüße\n',
  'Show.S01E02.srt': cue('Second'),
  'Show.S01E01.fr.srt': Buffer.alloc(4 * 1024 * 1024 + 1, 'a'),
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'subtitles-'))
  const names = Object.entries(contents)
  for (const [n, [, content]] of names.entries()) await writeFile(join(folder, String(n)), content)
  const films = ['Show.S01E01.mp4', 'Show.S01E02.mkv', 'Show.S01E10.mp4'].map((path) => ({ path, sizeBytes: 100_000 }))
  title = await startPlayableTitle({
    name: 'The\r\n#EXTINF:1,Show'.replace('\r\n', ' '),
    swarm: { name: 'Show', files: [...films, ...names.map(([path], n) => ({ path, from: join(folder, String(n)) })), { path: 'readme.txt', sizeBytes: 10 }] },
    app: { settings: { RATE_LIMIT_FACTOR: '100' } },
  });
  ({ swarm, app, viewer, torrentId } = title)
})
afterAll(async () => {
  await title[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const urlOf = ({ subtitles }: Link, language: string) => subtitles.find((one) => one.language === language)?.url ?? expect.fail(`no ${language}`)
const problem = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code]

describe('subtitles', () => {
  test('a link names those of its film, in their languages', async () => {
    const { subtitles } = await play()
    expect(subtitles.map(({ language, label }) => [language, label])).toEqual([['en', 'English'], ['fr', 'French'], ['de', 'German'], ['ru', 'Russian']])
    expect((await play(1)).subtitles.map(({ language, label }) => [language, label])).toEqual([[null, 'Subtitles']])
    expect((await play(2)).subtitles).toEqual([])
  })

  test('come as WebVTT, with nothing in them but text', async () => {
    const response = await fetch(urlOf(await play(), 'en'))
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control'), response.headers.get('x-content-type-options')]).toEqual([200, 'text/vtt; charset=utf-8', 'private', 'nosniff'])
    expect(await response.text()).toBe('WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<i>Hello</i> --&gt; alert(1)\n')
    expect(await (await fetch(urlOf(await play(), 'de'))).text()).toBe('WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nGrüße\n')
  })

  test('HEAD is GET without the text', async () => {
    const response = await fetch(urlOf(await play(), 'en'), { method: 'HEAD' })
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([200, 'text/vtt; charset=utf-8', ''])
  })

  test('what holds no cue, or is too large, is told as such', async () => {
    expect(await problem(await fetch(urlOf(await play(), 'ru')))).toEqual([422, 'subtitles_unreadable'])
    expect(await problem(await fetch(urlOf(await play(), 'fr')))).toEqual([422, 'subtitles_unreadable'])
  })

  test('a ticket opens those of its own film, and no other file', async () => {
    const own = urlOf(await play(), 'en')
    const [others = expect.fail('none')] = (await play(1)).subtitles
    const at = (index: number | string) => own.replace(/\d+\.vtt$/, `${index}.vtt`)
    expect(await problem(await fetch(at(others.url.match(/(\d+)\.vtt$/)?.[1] ?? '')))).toEqual([404, 'not_found'])
    for (const index of [0, 8, 999_999, '-1', '1e1', '..', '3.srt']) expect([index, (await fetch(at(index))).status]).toEqual([index, 404])
    const forged = own.replace(/subtitles\/./, (start) => start.slice(0, -1) + (start.endsWith('A') ? 'B' : 'A'))
    expect(await problem(await fetch(forged))).toEqual([403, 'playback_link_ended'])
  })

  test('end with the session', async () => {
    const person = await app.as.user()
    const link = await play(0, person.token)
    expect((await fetch(urlOf(link, 'en'))).status).toBe(200)
    await app.call('POST', '/auth/sign-out', { token: person.token })
    expect(await problem(await fetch(urlOf(link, 'en')))).toEqual([403, 'playback_link_ended'])
    expect(await problem(await fetch(link.playlistUrl))).toEqual([403, 'playback_link_ended'])
  })

  test('no bytes from the swarm in time: 504', async () => {
    await using dead = await startPlayableTitle({ swarm: { files: [{ path: 'dead.mp4', sizeBytes: 1_000 }, { path: 'dead.en.srt', sizeBytes: 1_000 }], name: 'dead', seeding: false }, app: { settings: { SWARM_TIMEOUT_SECONDS: '1' } } })
    const { body } = await dead.playback()
    expect(await problem(await fetch(urlOf(body as Link, 'en')))).toEqual([504, 'swarm_timeout'])
  })
})

describe('the playlist', () => {
  const entriesOf = (m3u: string) => [...m3u.matchAll(/^#EXTINF:-1,(.*)\n(.*)$/gm)].map(([, title = '', url = '']) => ({ title, url }))

  test('has every playable file of the title, as people count them, each with a link that plays it', async () => {
    const response = await fetch((await play()).playlistUrl)
    expect([response.status, response.headers.get('content-type'), response.headers.get('content-disposition')]).toEqual([200, 'audio/mpegurl; charset=utf-8', 'inline; filename="The_EXTINF_1_Show.m3u"'])
    const text = await response.text()
    expect(text.split('\n').slice(0, 2)).toEqual(['#EXTM3U', '#PLAYLIST:The #EXTINF:1,Show'])
    const entries = entriesOf(text)
    expect(entries.map(({ title }) => title)).toEqual(['Show.S01E01.mp4', 'Show.S01E02.mkv', 'Show.S01E10.mp4'])
    for (const [n, { url }] of entries.entries()) {
      const played = await fetch(url, { headers: { range: 'bytes=0-9' } })
      expect([played.status, played.headers.get('etag')]).toEqual([206, `"${swarm.infoHash}-${n}"`])
      expect(Buffer.from(await played.arrayBuffer()).equals(Buffer.from((await swarm.files[n]?.read(0, 10)) ?? []))).toBe(true)
    }
    expect(new Set(entries.map(({ url }) => url.split('/').at(-2))).size).toBe(3)
  })

  test('writes no rows, and lives as long as any of its files is played', async () => {
    let now = new Date()
    await using later = await startTestApp({ database: app.database, dataDir: app.dataDir, overrides: { now: () => now, engine: app.deps.engine }, settings: { RATE_LIMIT_FACTOR: '100' } })
    const person = await later.as.userAgain(viewer)
    const link = (await later.call('POST', `/torrents/${torrentId}/files/0/playback`, { token: person.token })).body as Link
    const rows = async () => (await later.deps.sql`select 1 from playback_links`).length
    const before = await rows()
    const [first, second] = entriesOf(await (await fetch(link.playlistUrl)).text())
    // the first film takes two hours, at the end of which a player asks for the second
    for (let minutes = 0; minutes < 120; minutes += 20) {
      expect((await fetch(first?.url ?? '', { headers: { range: 'bytes=0-0' } })).status).toBe(206)
      now = new Date(now.getTime() + 20 * 60_000)
    }
    expect((await fetch(second?.url ?? '', { headers: { range: 'bytes=0-0' } })).status).toBe(206)
    expect(await rows()).toBe(before)
  })

  test.each(['x', 'x.m3u', `${'A'.repeat(43)}.m3u`, `${'A'.repeat(43)}.m3u8`, '..m3u'])('%s is none', async (name) => {
    expect(await problem(await fetch(`${app.baseUrl}/api/v1/playlist/${name}`))).toEqual([403, 'playback_link_ended'])
  })
})
