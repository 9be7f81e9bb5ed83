import { mkdtemp, rm } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { median, ms, type Figure } from './figures.ts'
import { startContenders, type Contender } from './start/contenders.ts'
import { seedFile, type SeededFile } from './start/seeded-file.ts'

const MiB = 1024 * 1024
const plan = { sizeBytes: 256 * MiB, pieceLength: MiB, rounds: 5, seeksPerRound: 3 }
/** How long, and how fast, each place is watched: a film of 16 Mbit/s. */
const watched = { forMs: 1_500, bytesPerSecond: 2_000_000 }

type Samples = Map<string, number[]>

/** How long a viewer waits for the first byte, of a torrent never read and after a seek, beside others that stream from the same seeder over the same lines, in turn. */
export async function benchStreamingStart(report: (line: string) => void): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-start-'))
  await using made = new AsyncDisposableStack()
  made.defer(() => rm(folder, { recursive: true, force: true }))
  const seeded = made.use(await seedFile({ folder, ...plan }))
  const contenders = await startContenders()
  for (const contender of contenders) made.use(contender)
  report(`the seeder is ${seeded.seeder}`)

  const figures: Figure[] = []
  for (const delayMs of [0, 25]) {
    const cold: Samples = new Map()
    const seeks: Samples = new Map()
    await inTurn(seeded, { delayMs, bytesPerSecond: null }, contenders, plan.rounds, async (contender, viewing, counts) => {
      const [first, ...others] = await viewing(delayMs === 0 ? 0 : plan.seeksPerRound)
      if (!counts || first === undefined) return
      note(cold, contender.name, [first])
      note(seeks, contender.name, others)
      report(`${contender.name}, ${2 * delayMs} ms: ${ms(first)} to the first byte${others.length > 0 ? `, seeks ${others.map(ms).join(', ')}` : ''}`)
    })
    figures.push(figure(`cold start, ${2 * delayMs} ms round trip`, cold, 'torrent-stream'))
    if (delayMs > 0) figures.push(figure(`seek, ${2 * delayMs} ms round trip`, seeks, 'webtorrent'))
  }
  const seeks: Samples = new Map()
  await inTurn(seeded, { delayMs: 0, bytesPerSecond: 4_000_000 }, contenders, 2, async (contender, viewing, counts) => {
    const [, ...others] = await viewing(plan.seeksPerRound)
    if (!counts) return
    note(seeks, contender.name, others)
    report(`${contender.name}, 4 MB/s: seeks ${others.map(ms).join(', ')}`)
  })
  return [...figures, figure('seek, seeder at 4 MB/s', seeks, 'webtorrent')]
}

type Viewing = (seeks: number) => Promise<number[]>

/** One round more than is counted: the first warms up. */
async function inTurn(seeded: SeededFile, line: { delayMs: number; bytesPerSecond: number | null }, contenders: readonly Contender[], rounds: number, round: (contender: Contender, viewing: Viewing, counts: boolean) => Promise<void>): Promise<void> {
  await using over = await seeded.over(line)
  const folder = await mkdtemp(join(tmpdir(), 'bench-start-'))
  try {
    for (let at = 0; at <= rounds; at += 1) {
      for (const contender of contenders) {
        await round(contender, async (seeks) => {
          const began = performance.now()
          const url = await contender.begin(over.torrentFile, folder)
          const waits = await watch(url, seeded.sizeBytes, seeks, began)
          await contender.end()
          return waits
        }, at > 0)
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Plays from the start, then from each of some places far apart, by a new request each. How long the first byte of each took.
 * Later places lie before earlier ones: who reads ahead without end has not been there.
 */
async function watch(url: string, sizeBytes: number, seeks: number, began: number): Promise<number[]> {
  const waits: number[] = []
  for (let seek = 0; seek <= seeks; seek += 1) {
    const asked = seek === 0 ? began : performance.now()
    const playing = await firstByte(url, seek === 0 ? 0 : Math.floor((sizeBytes * (seeks + 1 - seek)) / (seeks + 1)) + 12_345)
    waits.push(performance.now() - asked)
    if (seek < seeks) await play(playing)
    playing.destroy()
  }
  return waits
}

async function play(film: IncomingMessage): Promise<void> {
  const began = performance.now()
  let bytes = 0
  film.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    const early = (bytes / watched.bytesPerSecond) * 1_000 - (performance.now() - began)
    if (early <= 0) return
    film.pause()
    setTimeout(() => film.resume(), early)
  })
  await pause(watched.forMs)
}

async function firstByte(url: string, from: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = get(url, { agent: false, headers: { range: `bytes=${from}-` } }, (response) => {
    if (response.statusCode !== 206) reject(new Error(`${url} answered ${response.statusCode}`))
    response.on('error', () => {}).once('data', () => {
      response.pause()
      resolve(response)
    })
  })
  request.on('error', reject)
  return promise
}

const note = (samples: Samples, name: string, values: readonly number[]) => samples.set(name, [...(samples.get(name) ?? []), ...values])

function figure(what: string, samples: Samples, rival: string): Figure {
  const [ours, theirs] = [samples.get('ours') ?? [], samples.get(rival) ?? []]
  const beside = ['webtorrent', 'torrent-stream'].map((name) => `${name} ${samples.has(name) ? ms(median(samples.get(name) ?? [])) : 'is absent: npm run peers'}`).join(', ')
  return { what, value: ms(median(ours)), beside, ...(theirs.length > 0 ? { ratio: `${(median(ours) / median(theirs)).toFixed(2)} × ${rival}` } : {}) }
}
