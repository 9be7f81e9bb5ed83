import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { playableBy } from '../lib/playable.ts'
import { generateBytes } from '../test/content.ts'
import { hostile, lengthened, memoryBomb, timeBomb } from '../test/hostile-media.ts'
import { examinerLimits, type MediaFacts } from './contract.ts'
import { ExaminationFailed, examine } from './examine.ts'

const clip = (name: string): Buffer => readFileSync(fileURLToPath(new URL(`../test/clips/${name}`, import.meta.url)))

/** Examines bytes that lie in memory, or are made up as they are asked for; says how many were. */
async function examined(file: Buffer | { sizeBytes: number; read: (offset: number, length: number) => Uint8Array }, limits = {}) {
  const source = Buffer.isBuffer(file) ? { sizeBytes: file.length, read: (offset: number, length: number) => file.subarray(offset, offset + length) } : file
  let readBytes = 0
  const facts = await examine({
    sizeBytes: source.sizeBytes,
    limits,
    read(offset, length) {
      readBytes += length
      return Promise.resolve(source.read(offset, length))
    },
  })
  return { facts, readBytes }
}

const noFacts = { container: null, durationSeconds: null, indexAt: null, tracks: [] } satisfies MediaFacts
const h264 = { kind: 'video', codec: 'h264', profile: 'High', language: null, width: 64, height: 36, channels: null, bitDepth: 8 }
const sound = (codec: string, language: string | null = null) => expect.objectContaining({ kind: 'audio', codec, language, channels: 1, width: null })

describe('says of a file that a known encoder made', () => {
  test.each([
    ['index-at-start.mp4', 'mp4', 'start', [h264, sound('aac')], 'direct'],
    ['index-at-end.mp4', 'mp4', 'end', [h264, sound('aac')], 'direct'],
    ['fragments.mp4', 'mp4', 'start', [h264], 'direct'],
    ['ten-bits.mp4', 'mp4', 'end', [{ ...h264, profile: 'High 10', bitDepth: 10 }], 'external_player'],
    ['hevc.mp4', 'mp4', 'end', [{ ...h264, codec: 'hevc', profile: 'Main' }, sound('aac')], 'external_player'],
    ['ac3.mp4', 'mp4', 'end', [h264, sound('ac3')], 'external_player'],
    ['vp9-opus.webm', 'webm', 'end', [{ ...h264, codec: 'vp9', profile: '0' }, sound('opus')], 'direct'],
    ['two-languages.mkv', 'mkv', 'end', [h264, sound('aac', 'en'), sound('aac', 'de')], 'external_player'],
    ['tone.mp3', 'mp3', null, [sound('mp3')], 'direct'],
    ['tone.flac', 'flac', null, [sound('flac')], 'direct'],
    ['tone.ogg', 'ogg', null, [sound('vorbis')], 'direct'],
  ] as const)('%s', async (name, container, indexAt, tracks, playable) => {
    const { facts } = await examined(clip(name))
    expect(facts).toEqual({ container, indexAt, tracks, durationSeconds: expect.closeTo(2, 1) })
    expect(playableBy({ container, tracks: facts?.tracks ?? [] })).toBe(playable)
  })

  test('cut off before its index: no media, since nothing could play it', async () => {
    const whole = clip('index-at-end.mp4')
    expect((await examined(whole.subarray(0, whole.length / 2))).facts).toEqual(noFacts)
    const cut = clip('vp9-opus.webm')
    expect((await examined(cut.subarray(0, cut.length / 2))).facts).toMatchObject({ container: 'webm', tracks: [{ codec: 'vp9' }, { codec: 'opus' }] })
  })
})

describe('reads little', () => {
  const size = 3 * 2 ** 30
  const { beginning, end } = lengthened(clip('index-at-end.mp4'), size)
  const long = (offset: number, length: number) => {
    const bytes = Buffer.alloc(length)
    if (offset < beginning.length) beginning.copy(bytes, 0, offset)
    if (offset + length > size - end.length) end.copy(bytes, Math.max(0, size - end.length - offset), Math.max(0, offset - (size - end.length)))
    return bytes
  }

  test('of a film of 3 GiB whose index is at its end', async () => {
    const { facts, readBytes } = await examined({ sizeBytes: size, read: long })
    expect(facts).toMatchObject({ container: 'mp4', durationSeconds: 2, indexAt: 'end', tracks: [{ codec: 'h264' }, { codec: 'aac' }] })
    expect(readBytes).toBeLessThan(4 * 2 ** 20)
  })

  test('of an mp4 in fragments; how long it is would take all of it', async () => {
    const few = clip('fragments.mp4')
    const fragments = few.indexOf('moof') - 4
    const many = Buffer.concat([few.subarray(0, fragments), ...Array.from({ length: 2_000 }, () => few.subarray(fragments))])
    const { facts, readBytes } = await examined(many)
    expect(facts).toMatchObject({ container: 'mp4', durationSeconds: null, indexAt: 'start', tracks: [h264] })
    expect(readBytes).toBeLessThan(4 * 2 ** 20)
  })

  test('of 3 GiB of noise', async () => {
    const { facts, readBytes } = await examined({ sizeBytes: size, read: (offset, length) => generateBytes('noise', offset, length) })
    expect(facts?.tracks ?? []).toEqual([])
    expect(readBytes).toBeLessThanOrEqual(examinerLimits.mostBytes)
  })
})

describe('a hostile file', () => {
  test.each(Object.entries(hostile))('%s is no media', async (_what, make) => {
    const { facts, readBytes } = await examined(make())
    expect(facts).toEqual(noFacts)
    expect(readBytes).toBeLessThanOrEqual(examinerLimits.mostBytes)
  })

  test('that would hang the parser: there are no facts, and its process is ended', async () => {
    const before = performance.now()
    expect((await examined(timeBomb(), { thinkMs: 1_000 })).facts).toBeNull()
    expect(performance.now() - before).toBeLessThan(30_000)
  })

  test('that would take all memory: there are no facts, and it gets no more than it may', async ({ skip }) => {
    skip(process.platform !== 'linux', 'only Linux has /proc')
    let mostKb = 0
    const bomb = memoryBomb()
    const watching = setInterval(() => void peakOf().then((kb) => (mostKb = Math.max(mostKb, kb))), 50)
    const { facts } = await examined(bomb, { thinkMs: 50_000, wasmBytes: 64 * 2 ** 20 })
    clearInterval(watching)
    expect(facts).toBeNull()
    expect(mostKb).toBeGreaterThan(50_000) // it was watched
    expect(mostKb).toBeLessThan(260_000)
  })
})

describe('its process', () => {
  test('has nothing of its parent in its environment', async ({ skip }) => {
    skip(process.platform !== 'linux', 'only Linux has /proc')
    let environment = ''
    await examine({
      sizeBytes: 1_000,
      async read() {
        const pid = await childOf(process.pid)
        environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        return Buffer.alloc(1_000)
      },
    })
    expect(environment.split('\0').filter((line) => line !== '' && !line.startsWith('NODE_CHANNEL_'))).toEqual(['NODE_ENV=production'])
  })

  test('ends by itself when it hangs and the server is no more', async () => {
    const bomb = timeBomb()
    const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), { env: { NODE_ENV: 'production' }, execArgv: ['--disable-warning=ExperimentalWarning'], serialization: 'advanced', stdio: 'ignore' })
    const exited = once(child, 'exit')
    const needed = new Promise<{ offset: number; length: number }>((resolve) => child.on('message', (message: { kind: string; offset: number; length: number }) => message.kind === 'need' && resolve(message)))
    child.send({ kind: 'examine', sizeBytes: bomb.length, lifeMs: 10_000, wasmBytes: 2 ** 28 })
    const { offset, length } = await needed
    await new Promise((sent) => child.send({ kind: 'bytes', bytes: bomb.subarray(offset, offset + length) }, sent))
    child.disconnect()
    expect(await exited).toEqual([null, 'SIGKILL'])
  })

  test('is gone when the bytes cannot be had, and whoever asked is told why', async () => {
    const why = new Error('no peers')
    await expect(examine({ sizeBytes: 1_000, read: () => Promise.reject(why) })).rejects.toBe(why)
  })

  test('waits so long for bytes and no longer', async () => {
    let aborted = false
    const never = (_offset: number, _length: number, signal: AbortSignal) => {
      signal.addEventListener('abort', () => (aborted = true))
      return new Promise<Uint8Array>(() => {})
    }
    await expect(examine({ sizeBytes: 1_000, read: never, limits: { totalMs: 300 } })).rejects.toThrow(ExaminationFailed)
    expect(aborted).toBe(true)
  })
})

async function childOf(pid: number): Promise<number | null> {
  await using file = await open(`/proc/${pid}/task/${pid}/children`)
  const [child] = (await file.readFile('utf8')).trim().split(' ')
  return child ? Number(child) : null
}

/** The most memory that the running examiner has held, in kB. */
async function peakOf(): Promise<number> {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${await childOf(process.pid)}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0 // it has just ended
  }
}
