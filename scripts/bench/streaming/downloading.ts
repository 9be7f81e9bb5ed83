import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startSwarm } from '../../../server/test/swarm.ts'
import { ownDataFolder, startOwnInstance } from '../../demo/own-instance.ts'
import { isPresent } from '../../peers/presence.ts'
import { fetchWithLibtorrent, seedWithLibtorrent } from '../../peers/clients.ts'
import { median, type Figure } from '../figures.ts'
import { cpuSeconds, serverPid, withChildren } from './cpu.ts'
import { drain } from './drain.ts'
import { playbackUrl } from './playback-url.ts'
import { writeOut } from './write-out.ts'

const fileBytes = 512 * 1024 * 1024
const rounds = 3

interface Sample { readonly rate: number; readonly cpu: number }

/** A file streamed while it comes from a fast seeder, against libtorrent fetching the same from the same seeder: MB/s and CPU. */
export async function benchDownloading(report: (line: string) => void): Promise<Figure[]> {
  if (!isPresent('libtorrent')) return [{ what: 'streaming while downloading', value: '-', beside: 'python3-libtorrent is missing: npm run peers' }]
  await using home = await ownDataFolder('bench-seed')
  const folder = home.dataDir
  await mkdir(folder, { recursive: true })
  await using bench = await startOwnInstance({ name: 'bench', settings: { RATE_LIMIT_FACTOR: '100000', TORRENT_CONNECTS_PER_ADDRESS: '10000' }, report: () => {} })
  const [ours, theirs]: [Sample[], Sample[]] = [[], []]
  for (let round = 0; round < rounds; round += 1) {
    // another content each time: what has been fetched once lies in the cache
    const path = `bench-${round}.bin`
    await using swarm = await startSwarm({ files: [{ path, sizeBytes: fileBytes }], seed: 'bench', pieceLength: 1024 * 1024, seeding: false })
    await writeOut(swarm, join(folder, path))
    const torrentFile = join(folder, `${path}.torrent`)
    await writeFile(torrentFile, swarm.torrentFile)
    await using _seeder = await seedWithLibtorrent({ torrentFile, folder, infoHash: swarm.infoHash, trackerUrl: swarm.trackerUrl })

    const fetched = join(folder, 'fetched')
    const { seconds, cpuSeconds: cpu } = await fetchWithLibtorrent({ torrentFile, folder: fetched })
    theirs.push({ rate: fileBytes / 1e6 / seconds, cpu: cpu / (fileBytes / 2 ** 30) })
    await rm(fetched, { recursive: true })

    const url = await playbackUrl(bench, swarm, `Downloading zzyzx${round}`)
    const processes = withChildren(serverPid(bench.instance.dataDir))
    const [cpuBefore, began] = [cpuSeconds(...processes), performance.now()]
    const received = await drain(url)
    if (received !== fileBytes) throw new Error(`${received} bytes were streamed instead of ${fileBytes}`)
    ours.push({ rate: fileBytes / 1_000 / (performance.now() - began), cpu: (cpuSeconds(...processes) - cpuBefore) / (fileBytes / 2 ** 30) })
    report(`while downloading, round ${round + 1}: ours ${ours.at(-1)?.rate.toFixed(0)} MB/s, libtorrent ${theirs.at(-1)?.rate.toFixed(0)} MB/s`)
    await rm(join(folder, path))
  }
  const middle = (samples: Sample[], key: keyof Sample) => median(samples.map((sample) => sample[key]))
  return [
    {
      what: 'streaming while downloading, 1 reader',
      value: `${middle(ours, 'rate').toFixed(0)} MB/s`,
      beside: `libtorrent to disk: ${middle(theirs, 'rate').toFixed(0)} MB/s`,
      ratio: median(ours.map(({ rate }, round) => rate / (theirs[round]?.rate ?? Number.NaN))).toFixed(2),
    },
    { what: '  its CPU per GiB', value: `${middle(ours, 'cpu').toFixed(2)} s`, beside: `libtorrent: ${middle(theirs, 'cpu').toFixed(2)} s` },
  ]
}
