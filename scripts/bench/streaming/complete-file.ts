import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import tls from 'node:tls'
import { selfSignedCertificate } from '../../../server/test/certificate.ts'
import { startSwarm, type Swarm } from '../../../server/test/swarm.ts'
import { ownDataFolder, startOwnInstance } from '../../demo/own-instance.ts'
import { isPresent } from '../../peers/presence.ts'
import type { BenchInstance } from '../accounts.ts'
import { median, type Figure } from '../figures.ts'
import { cpuSeconds, serverPid, withChildren } from './cpu.ts'
import { drain } from './drain.ts'
import { startNginx } from './nginx.ts'
import { servePlainly } from './plain.ts'
import { playbackUrl } from './playback-url.ts'
import { writeOut } from './write-out.ts'

const fileBytes = 512 * 1024 * 1024
const fileName = 'bench.bin'
const rounds = 5

interface Server { readonly name: string; readonly url: string; readonly pids: () => number[] }
interface Sample { readonly rate: number; readonly cpu: number }

/** A file that lies complete in the cache, through a playback link, against nginx's sendfile and a plain Node server: MB/s and CPU. */
export async function benchCompleteFile(report: (line: string) => void): Promise<Figure[]> {
  await using home = await ownDataFolder('bench-files')
  await mkdir(home.dataDir, { recursive: true })
  await using swarm = await startSwarm({ files: [{ path: fileName, sizeBytes: fileBytes }], seed: 'bench', pieceLength: 1024 * 1024 })
  await writeOut(swarm, join(home.dataDir, fileName))
  await using nginx = isPresent('nginx') ? await startNginx({ home: join(dirname(home.dataDir), 'nginx'), folder: home.dataDir }) : null
  await using plain = await servePlainly(join(home.dataDir, fileName))
  await using loop = await servePlainly(join(home.dataDir, fileName), 'loop')
  const figures: Figure[] = []
  {
    await using bench = await startOwnInstance({ name: 'bench', settings: { RATE_LIMIT_FACTOR: '100000' }, report: () => {} })
    const ours = await complete(bench, swarm)
    const servers = [ours, { name: 'plain Node', url: plain.url, pids: () => [plain.pid] }, { name: 'bare loop', url: loop.url, pids: () => [loop.pid] }, ...(nginx ? [{ name: 'nginx', url: nginx.url(fileName), pids: () => [nginx.pid] }] : [])]
    for (const readers of [1, 10]) figures.push(...(await compare(servers, readers, report)))
  }
  if (nginx) {
    const { cert, key } = selfSignedCertificate()
    const files = { TLS_CERT_FILE: join(home.dataDir, 'cert.pem'), TLS_KEY_FILE: join(home.dataDir, 'key.pem') }
    await writeFile(files.TLS_CERT_FILE, cert)
    await writeFile(files.TLS_KEY_FILE, key, { mode: 0o600 })
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), cert])
    await using bench = await startOwnInstance({ name: 'bench', settings: { RATE_LIMIT_FACTOR: '100000', ...files }, report: () => {} })
    figures.push(...(await compare([await complete(bench, swarm), { name: 'nginx', url: nginx.tlsUrl(fileName), pids: () => [nginx.pid] }], 1, report, ' over TLS')))
  } else {
    figures.push({ what: 'complete file against nginx', value: '-', beside: 'nginx is missing: npm run peers' })
  }
  return figures
}

/** A title of the swarm on an instance, streamed once so that all of it lies in the cache. */
async function complete(bench: BenchInstance, swarm: Swarm): Promise<Server> {
  const url = await playbackUrl(bench, swarm, 'Throughput zzyzx')
  await drain(url)
  return { name: 'ours', url, pids: () => withChildren(serverPid(bench.instance.dataDir)) }
}

/** Each in turn, round after round; ours comes first, the others are what it is compared with. */
async function compare([ours, ...others]: Server[], readers: number, report: (line: string) => void, how = ''): Promise<Figure[]> {
  if (!ours) return []
  const samples = new Map<Server, Sample[]>([ours, ...others].map((server) => [server, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [server, taken] of samples) taken.push(await measure(server, readers))
    report(`${readers} at once${how}, round ${round + 1}: ${[...samples].map(([{ name }, taken]) => `${name} ${(taken.at(-1)?.rate ?? 0).toFixed(0)} MB/s`).join(', ')}`)
  }
  const middle = (server: Server, key: keyof Sample) => median((samples.get(server) ?? []).map((sample) => sample[key]))
  return others.flatMap((other) => [
    {
      what: `complete file${how}, ${readers} at once`,
      value: `${middle(ours, 'rate').toFixed(0)} MB/s`,
      beside: `${other.name}: ${middle(other, 'rate').toFixed(0)} MB/s`,
      ratio: median((samples.get(ours) ?? []).map(({ rate }, round) => rate / (samples.get(other)?.[round]?.rate ?? Number.NaN))).toFixed(2),
    },
    { what: `  its CPU per GiB`, value: `${middle(ours, 'cpu').toFixed(2)} s`, beside: `${other.name}: ${middle(other, 'cpu').toFixed(2)} s` },
  ])
}

async function measure({ url, pids }: Server, readers: number): Promise<Sample> {
  const processes = pids()
  const [cpuBefore, began] = [cpuSeconds(...processes), performance.now()]
  const sizes = await Promise.all(Array.from({ length: readers }, () => drain(url)))
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  return { rate: bytes / 1_000 / (performance.now() - began), cpu: (cpuSeconds(...processes) - cpuBefore) / (bytes / 2 ** 30) }
}
