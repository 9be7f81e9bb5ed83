import { fork } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PlaybackLink } from '../../server/features/playback/contract.ts'
import { startSwarm, type Swarm } from '../../server/test/swarm.ts'
import { PublicApi } from '../demo/public-api.ts'
import { viewerToken, type BenchInstance } from './accounts.ts'
import { median, ms, type Figure } from './figures.ts'
import { read, throughput } from './load.ts'
import { offerSwarm } from './offer.ts'

const fileBytes = 256 * 1024 * 1024
/** Readers at once, and how often both are measured in turn. */
const plan = [{ readers: 1, rounds: 7 }, { readers: 10, rounds: 3 }]

/** A file that lies complete in the cache, read through a playback link, against the same bytes from a plain Node file server, in turn. */
export async function benchStreaming(bench: BenchInstance, report: (line: string) => void): Promise<Figure[]> {
  await using swarm = await startSwarm({ files: [{ path: 'bench.bin', sizeBytes: fileBytes }], seed: 'bench', pieceLength: 1024 * 1024 })
  const url = await playbackUrl(bench, swarm)
  const began = performance.now()
  const received = await read({ url })
  const coldMs = performance.now() - began
  if (received !== fileBytes) throw new Error(`${received} bytes were streamed instead of ${fileBytes}`)
  report(`fetched from the swarm and streamed in ${ms(coldMs)}`)
  await swarm.killSeeder()
  await using plain = await servePlainly(swarm, join(dirname(bench.instance.dataDir), 'plain.bin'))
  await read({ url: plain.url })

  const figures: Figure[] = [{ what: 'streaming while downloading, 1 reader', value: `${(fileBytes / 1_000 / coldMs).toFixed(0)} MB/s` }]
  for (const { readers, rounds } of plan) {
    const [ours, theirs, ratios] = [[] as number[], [] as number[], [] as number[]]
    for (let round = 0; round < rounds; round += 1) {
      const plainly = await throughput(readers, { url: plain.url })
      const streamed = await throughput(readers, { url })
      theirs.push(plainly)
      ours.push(streamed)
      ratios.push(streamed / plainly)
      report(`${readers} at once, round ${round + 1}: ${streamed.toFixed(0)} MB/s, plain Node ${plainly.toFixed(0)} MB/s`)
    }
    figures.push({ what: `streaming from warm storage, ${readers} at once`, value: `${median(ours).toFixed(0)} MB/s`, beside: `plain Node: ${median(theirs).toFixed(0)} MB/s`, ratio: median(ratios).toFixed(2) })
  }
  return figures
}

async function playbackUrl(bench: BenchInstance, swarm: Swarm): Promise<string> {
  const torrentId = await offerSwarm(bench, swarm, 'Throughput zzyzx')
  const token = await viewerToken(bench)
  return (await new PublicApi(bench.instance.baseUrl).call('POST', `/torrents/${torrentId}/files/0/playback`, { token, body: {}, answer: PlaybackLink, status: 201 })).url
}

/** The same bytes as one file on the same disk; the instance's folder takes it away. */
async function servePlainly(swarm: Swarm, file: string): Promise<{ url: string } & AsyncDisposable> {
  const chunk = 8 * 1024 * 1024
  {
    await using handle = await open(file, 'w')
    for (let at = 0; at < fileBytes; at += chunk) await handle.write((await swarm.files[0]?.read(at, chunk)) ?? new Uint8Array())
  }
  const child = fork(fileURLToPath(new URL('file-server.ts', import.meta.url)), [file], { execArgv: ['--disable-warning=ExperimentalWarning'] })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const stop = async () => {
    const ended = once(child, 'exit')
    child.kill()
    await ended
  }
  return { url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: stop }
}
