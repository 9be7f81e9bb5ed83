import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { freePort } from '../../db/embedded/postmaster.ts'
import { readConfig } from '../../server/config.ts'
import { PlaybackLink } from '../../server/features/playback/contract.ts'
import { ask } from '../../server/test/raw-http.ts'
import { startSwarm } from '../../server/test/swarm.ts'
import { PublicApi } from '../demo/public-api.ts'
import { serverEnvironment, startServer } from '../setup/server-process.ts'
import { makeViewer, signIn, type BenchInstance } from './accounts.ts'
import { median, ms, type Figure } from './figures.ts'
import { offerSwarm } from './offer.ts'

const rounds = 20
const promisedMs = 1_000
/** When a round is given up. */
const patienceMs = 20_000

/**
 * From the answer of a sign-out on one node until another refuses the token, and until the streams in flight on both are cut
 * (control A4 promises a second). The token is in use on the other node before, so that it knows it.
 */
export async function benchRevocation(bench: BenchInstance, report: (line: string) => void): Promise<Figure[]> {
  // so slow that no stream ends by itself
  await using swarm = await startSwarm({ files: [{ path: 'slow.bin', sizeBytes: 64 * 1024 * 1024 }], seed: 'revocation', pieceLength: 65_536, rateBytesPerSecond: 400_000 })
  const torrentId = await offerSwarm(bench, swarm, 'Revocation zyzzyva')
  await using other = await startOtherNode(bench)
  const here = bench.instance.baseUrl
  const host = new URL(here).host
  const api = new PublicApi(here)
  const viewer = await makeViewer(bench)
  const statusThere = async (token: string) => (await ask(other.url, '/api/v1/users/me', { headers: { host, authorization: `Bearer ${token}` } })).status

  const refused: number[] = []
  const cut = { here: [] as number[], there: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    const { accessToken: token } = await signIn(bench, viewer)
    const { url } = await api.call('POST', `/torrents/${torrentId}/files/0/playback`, { token, body: {}, answer: PlaybackLink, status: 201 })
    const [watchedHere, watchedThere] = [await watch(here, url, host), await watch(other.url, url, host)]
    const before = await statusThere(token)
    if (before !== 200) throw new Error(`the other node answered ${before} before the sign-out`)

    const { status } = await ask(here, '/api/v1/auth/sign-out', { method: 'POST', headers: { host, authorization: `Bearer ${token}` } })
    const answered = performance.now()
    if (status !== 204) throw new Error(`the sign-out answered ${status}`)
    const since = (at: number) => Math.max(0, at - answered)
    const untilRefused = async () => {
      while ((await statusThere(token)) === 200) if (since(performance.now()) > patienceMs) throw new Error('the other node goes on taking the token')
      return performance.now()
    }
    const [refusedAt, cutHere, cutThere] = await Promise.all([untilRefused(), watchedHere(), watchedThere()])
    refused.push(since(refusedAt))
    cut.here.push(since(cutHere))
    cut.there.push(since(cutThere))
    if (round % 5 === 4) report(`${round + 1} of ${rounds}: refused elsewhere after ${worst(refused)}, cut here ${worst(cut.here)}, there ${worst(cut.there)}`)
  }
  const figure = (what: string, samples: number[]): Figure => ({ what, value: worst(samples), beside: `promised: ${promisedMs} ms`, ratio: (Math.max(...samples) / promisedMs).toFixed(3) })
  return [
    figure('sign-out until another node refuses the token', refused),
    figure('sign-out until a stream of the same node is cut', cut.here),
    figure('sign-out until a stream of another node is cut', cut.there),
  ]
}

const worst = (samples: number[]) => `median ${ms(median(samples))}, worst ${ms(Math.max(...samples))}`

/** A second server process on the same database, behind the same public address. */
async function startOtherNode({ instance, env }: BenchInstance): Promise<{ url: string } & AsyncDisposable> {
  const dataDir = join(dirname(instance.dataDir), 'other')
  await mkdir(dataDir)
  const port = String(await freePort())
  const { keysDir } = readConfig(env).config
  const settings = serverEnvironment({ ...env, PUBLIC_URL: instance.baseUrl }, { databaseUrl: instance.databaseUrls.app, dataDir, keysDir, port })
  const server = await startServer({ env: settings, dataDir, log: 'file' })
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => server.stop() }
}

/** Plays a link on a node until its first bytes are there. @returns what waits for the connection to break, and says when it did */
async function watch(node: string, link: string, host: string): Promise<() => Promise<number>> {
  const sent = request(`${node}${new URL(link).pathname}`, { agent: false, headers: { host } })
  sent.end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  if (answer.statusCode !== 200) throw new Error(`the stream was answered with ${answer.statusCode}`)
  let brokeAt = 0
  const broke = new Promise<void>((resolve) => {
    answer.once('error', () => {
      brokeAt = performance.now()
      resolve()
    })
  })
  await once(answer, 'data')
  return async () => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the stream goes on')), patienceMs)
    })
    await Promise.race([broke, late]).finally(() => clearTimeout(timer))
    return brokeAt
  }
}
