import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PlaybackLink } from '../../../server/features/playback/contract.ts'
import { startSwarm, type Swarm } from '../../../server/test/swarm.ts'
import { ownDataFolder, startOwnInstance } from '../../demo/own-instance.ts'
import { PublicApi } from '../../demo/public-api.ts'
import { isPresent } from '../../peers/presence.ts'
import { viewerToken, type BenchInstance } from '../accounts.ts'
import type { Figure } from '../figures.ts'
import { offerSwarm } from '../offer.ts'
import { cpuSeconds, residentBytes, serverPid, withChildren } from './cpu.ts'
import { drain } from './drain.ts'
import { startNginx } from './nginx.ts'
import { startContender } from './start/contenders.ts'
import { writeOut } from './write-out.ts'

const fileBytes = 32 * 1024 * 1024
const counts = [1, 10, 100]
/** A link has sixteen ranges at once: so many viewers have one each. */
const viewers = 10
const MiB = 1024 * 1024

interface Server { readonly name: string; readonly urls: readonly string[]; readonly pids: () => number[] }
/** The most memory while they read, and the CPU time of one of them. */
interface Sample { readonly bytes: number; readonly cpuMs: number }

/** Memory and CPU as readers of one file grow from 1 to 100, the file complete on disk or coming from the swarm; beside webtorrent's server and nginx. */
export async function benchGrowth(report: (line: string) => void): Promise<Figure[]> {
  await using made = new AsyncDisposableStack()
  const home = made.use(await ownDataFolder('bench-growth'))
  await mkdir(home.dataDir, { recursive: true })
  const folder = await mkdtemp(join(tmpdir(), 'bench-growth-'))
  made.defer(() => rm(folder, { recursive: true, force: true }))
  const bench = made.use(await startOwnInstance({ name: 'bench', settings: { RATE_LIMIT_FACTOR: '100000', STREAMS_PER_USER: '1000', TORRENT_CONNECTS_PER_ADDRESS: '10000' }, report: () => {} }))
  const tokens = await Promise.all(Array.from({ length: viewers }, () => viewerToken(bench)))
  const webtorrent = made.use(await startContender('webtorrent'))
  const ours = async (swarm: Swarm, title: string): Promise<Server> => ({ name: 'ours', urls: await linksOf(bench, swarm, title, tokens), pids: () => withChildren(serverPid(bench.instance.dataDir)) })
  const theirs = async (swarm: Swarm): Promise<Server> => ({ name: 'webtorrent', urls: [await webtorrent.begin(swarm.torrentFile, folder)], pids: () => [webtorrent.pid] })
  const figures: Figure[] = []

  // what comes from the swarm first: memory that was once needed is not always given back
  const fetched: Row[] = []
  for (const count of counts) {
    await using swarm = await startSwarm({ files: [{ path: `growth-${count}.bin`, sizeBytes: fileBytes }], seed: 'growth' })
    const row = await compare([await ours(swarm, `Growing zzyzx${count}`), await theirs(swarm)], count)
    await webtorrent.end()
    report(`${count} at once, downloading: ${inWords(row)}`)
    fetched.push({ count, samples: row })
  }
  figures.push(...figuresOf('while downloading', fetched))

  await using swarm = await startSwarm({ files: [{ path: 'growth.bin', sizeBytes: fileBytes }], seed: 'growth' })
  await writeOut(swarm, join(home.dataDir, 'growth.bin'))
  const nginx = isPresent('nginx') ? made.use(await startNginx({ home: join(dirname(home.dataDir), 'nginx'), folder: home.dataDir })) : null
  const servers = [await ours(swarm, 'Complete zzyzxgrowth'), await theirs(swarm), ...(nginx ? [{ name: 'nginx', urls: [nginx.url('growth.bin')], pids: () => [nginx.pid] }] : [])]
  for (const { urls: [url] } of servers) if (url !== undefined) await drain(url)
  const complete: Row[] = []
  for (const count of counts) {
    const row = await compare(servers, count)
    report(`${count} at once, complete: ${inWords(row)}`)
    complete.push({ count, samples: row })
  }
  figures.push(...figuresOf('complete on disk', complete))
  return figures
}

type Samples = ReadonlyMap<string, Sample>
interface Row { readonly count: number; readonly samples: Samples }

async function compare(servers: readonly Server[], readers: number): Promise<Samples> {
  const samples = new Map<string, Sample>()
  for (const server of servers) samples.set(server.name, await measure(server, readers))
  return samples
}

async function measure({ urls, pids }: Server, readers: number): Promise<Sample> {
  const processes = pids()
  const memory = () => processes.reduce((sum, pid) => sum + residentBytes(pid), 0)
  const cpuBefore = cpuSeconds(...processes)
  let bytes = memory()
  const sampling = setInterval(() => { bytes = Math.max(bytes, memory()) }, 20)
  try {
    await Promise.all(Array.from({ length: readers }, (_, at) => drain(urls[at % urls.length] ?? '')))
  } finally {
    clearInterval(sampling)
  }
  return { bytes, cpuMs: ((cpuSeconds(...processes) - cpuBefore) * 1_000) / readers }
}

/** A link for each token. */
async function linksOf(bench: BenchInstance, swarm: Swarm, title: string, tokens: readonly string[]): Promise<string[]> {
  const torrentId = await offerSwarm(bench, swarm, title)
  const api = new PublicApi(bench.instance.baseUrl)
  return Promise.all(tokens.map(async (token) => (await api.call('POST', `/torrents/${torrentId}/files/0/playback`, { token, body: {}, answer: PlaybackLink, status: 201 })).url))
}

function figuresOf(how: string, rows: readonly Row[]): Figure[] {
  const [one] = rows
  const of = (name: string, { count, samples }: Row) => {
    const sample = samples.get(name)
    if (!sample) return null
    const each = count > 1 ? `, ${(((sample.bytes - (one?.samples.get(name)?.bytes ?? Number.NaN)) / (count - 1)) / MiB).toFixed(2)} a reader more` : ''
    return `${(sample.bytes / MiB).toFixed(0)} MiB${each}; CPU ${sample.cpuMs.toFixed(0)} ms a reader`
  }
  return rows.map((row) => ({
    what: `${row.count} reading ${fileBytes / MiB} MiB, ${how}`,
    value: of('ours', row) ?? '-',
    beside: ['webtorrent', 'nginx'].flatMap((name) => (of(name, row) ? `${name}: ${of(name, row)}` : [])).join(' | '),
  }))
}

const inWords = (samples: Samples): string => [...samples].map(([name, { bytes, cpuMs }]) => `${name} ${(bytes / MiB).toFixed(0)} MiB, ${cpuMs.toFixed(0)} ms`).join('; ')
