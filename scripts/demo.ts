/**
 * `npm run demo`: the whole journey, with an instance, a tracker and rate-limited seeders of its own on loopback. Operators use their
 * command; everybody else the public API. Each step is one line; the first that fails ends it with a sentence and exit code 1.
 */
import { randomBytes, createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { Flow, Session } from '../server/features/auth/contract.ts'
import { TorrentDetails, TorrentPage } from '../server/features/catalogue/contract.ts'
import { IngestBatch } from '../server/features/ingest/contract.ts'
import { AdminTorrent, AdminTorrentPage } from '../server/features/moderation/contract.ts'
import { PlaybackLink } from '../server/features/playback/contract.ts'
import { startSwarm } from '../server/test/swarm.ts'
import { runAdmin } from './demo/admin-command.ts'
import { enrolAuthenticator, signIn } from './demo/authenticator.ts'
import { createJourney, demand, JourneyFault } from './demo/journey.ts'
import { codeFor } from './demo/outbox.ts'
import { startOwnInstance } from './demo/own-instance.ts'
import { indexOffset, Player, sha256Of } from './demo/player.ts'
import { PublicApi, until } from './demo/public-api.ts'
import { stopSignal } from './setup/stop-signal.ts'

const filmBytes = 128 * 1024 * 1024
const seederBytesPerSecond = 20 * 1024 * 1024
const peekBytes = 256 * 1024
const clipFile = fileURLToPath(new URL('demo/clip.mp4', import.meta.url))
const email = 'viewer@example.org'
const password = () => randomBytes(12).toString('base64url')

const stopped = stopSignal()

try {
  await journey()
} catch (error) {
  if (!stopped.aborted) {
    console.error(error instanceof JourneyFault ? error.message : error)
    process.exitCode = 1
  }
}

async function journey(): Promise<void> {
  await using made = new AsyncDisposableStack()
  const walk = createJourney({ print: (line) => console.log(line), signal: stopped })
  const { step, make } = walk

  const { instance, env } = await make('an instance of its own starts', async () => made.use(await startOwnInstance({ name: 'demo', report: (line) => console.error(`          ${line}`) })))
  const api = new PublicApi(instance.baseUrl)
  const [film, clip] = await make('a tracker and a rate-limited seeder start, for a film of 128 MiB and for the clip', async () => {
    const rate = { rateBytesPerSecond: seederBytesPerSecond }
    const big = made.use(await startSwarm({ ...rate, files: [{ path: 'Lighthouse film.mkv', sizeBytes: filmBytes }], seed: 'demo' }))
    return [big, made.use(await startSwarm({ ...rate, files: [{ path: 'Lighthouse clip.mp4', from: clipFile }], pieceLength: 32 * 1024 }))] as const
  })

  const { key: apiKey } = await make('the operator makes an API key that may ingest', () =>
    runAdmin(['create-api-key', '--name', 'demo', '--scope', 'ingest:write', '--expires', '1'], { env, answer: z.object({ key: z.string() }) }))
  await step('a harvester ingests the film by its .torrent and the clip by its magnet link', async () => {
    const items = [
      { title: 'The lighthouse', torrentFile: Buffer.from(film.torrentFile).toString('base64'), category: 'films', licence: 'CC0 1.0' },
      { title: 'The lighthouse, a clip', magnetUri: clip.magnet, category: 'films', licence: 'CC0 1.0' },
    ]
    const batch = await api.call('POST', '/ingest/batches', { apiKey, body: { source: 'demo', items }, answer: IngestBatch, status: 202 })
    demand(batch.accepted === 2, `of two titles ${batch.accepted} were accepted: ${JSON.stringify(batch.rejected)}`)
  })

  const moderatorPassword = password()
  await make('the operator makes a moderator', () =>
    runAdmin(['create-user', '--email', 'moderator@example.org', '--role', 'moderator', '--password-stdin'], { env, input: moderatorPassword, answer: z.object({ userId: z.string() }) }))
  const staff = { email: 'moderator@example.org', password: moderatorPassword }
  const authenticator = await step('the moderator sets up an authenticator app, before which they may do nothing else', async () => enrolAuthenticator(api, await signIn(api, staff)))
  const moderator = await step('and signs in with a code of it', () => signIn(api, { ...staff, authenticator }))
  const pending = await step('the names of the files in the clip come from the swarm', () =>
    until('The verified file lists', 20, async () => {
      const { items } = await api.call('GET', '/admin/torrents?state=pending', { token: moderator, answer: AdminTorrentPage })
      return items.length === 2 && items.every(({ verifiedAt }) => verifiedAt !== null) ? items : undefined
    }))

  const viewerPassword = password()
  const flow = await step('somebody signs up', () => api.call('POST', '/auth/sign-up', { body: { email, password: viewerPassword }, answer: Flow, status: 202 }))
  await step('and proves the address by the code from the outbox', async () => {
    const code = await codeFor(instance.dataDir, email)
    await api.call('POST', '/auth/verify-email', { body: { flowId: flow.flowId, code }, answer: Session })
  })
  const viewer = await step('the viewer signs in', () => signIn(api, { email, password: viewerPassword }))
  const search = () => api.call('GET', '/torrents/search?q=lighthouse', { token: viewer, answer: TorrentPage })
  await step('and finds nothing, because nothing is approved', async () => demand((await search()).items.length === 0, 'a pending title was found'))
  await step('the moderator approves both', async () => {
    for (const { id } of pending) await api.call('POST', `/admin/torrents/${id}/approve`, { token: moderator, body: {}, answer: AdminTorrent })
  })
  const found = await step('the viewer finds both', async () => {
    const { items } = await search()
    demand(items.length === 2, `${items.length} titles were found instead of two`)
    return Promise.all(items.map(({ id }) => api.call('GET', `/torrents/${id}`, { token: viewer, answer: TorrentDetails })))
  })
  const playerOf = async (infoHash: string) => {
    const title = found.find((candidate) => candidate.infoHash === infoHash)
    demand(title, 'a title that was ingested was not found')
    const { url, sizeBytes } = await api.call('POST', `/torrents/${title.id}/files/0/playback`, { token: viewer, body: {}, answer: PlaybackLink, status: 201 })
    return new Player(url, sizeBytes)
  }

  const player = await step('and asks to play the film', () => playerOf(film.infoHash))
  const seeks = { 'the start': 0, 'the end, where an index may lie': filmBytes - peekBytes, 'the middle': filmBytes / 2 }
  for (const [where, offset] of Object.entries(seeks)) {
    await step(`the player reads from ${where}`, async (saw) => {
      const { bytes, msToFirstByte } = await player.peek(offset, peekBytes, async () => {
        const fetched = (await film.uploadedBytes()) / filmBytes
        demand(fetched < 0.2, `${percent(fetched)} of the film had been fetched before its first byte came; less than a fifth is allowed`)
        saw(`${percent(fetched)} of the film fetched`)
      })
      saw(`first byte after ${msToFirstByte.toFixed(0)} ms`)
      demand(Buffer.from(bytes).equals((await film.files[0]?.read(offset, peekBytes)) ?? Buffer.alloc(0)), `the bytes from ${offset} on are not those of the film`)
    })
  }
  await step('it plays the film to its end, and every byte is right', async (saw) => {
    const hash = createHash('sha256')
    const start = performance.now()
    await player.digest(0, filmBytes / 2, hash)
    await player.digest(filmBytes / 2, filmBytes, hash)
    saw(`${(filmBytes / 1000 / (performance.now() - start)).toFixed(0)} MB/s`)
    demand(hash.digest('hex') === film.files[0]?.sha256, 'the SHA-256 of what was streamed is not that of the film')
  })
  await step('another plays the clip, whose index lies at the end, and every byte is right', async (saw) => {
    const clipPlayer = await playerOf(clip.infoHash)
    const head = await clipPlayer.peek(0, 64 * 1024, async () => {})
    const at = indexOffset(head.bytes)
    const index = await clipPlayer.peek(at, clipPlayer.sizeBytes - at, async () => {})
    demand(Buffer.from(index.bytes.subarray(4, 8)).toString('latin1') === 'moov', `there is no index at byte ${at}`)
    saw(`index at byte ${at} of ${clipPlayer.sizeBytes}`)
    const whole = await clipPlayer.peek(0, clipPlayer.sizeBytes, async () => {})
    demand(sha256Of(whole.bytes) === clip.files[0]?.sha256, 'the SHA-256 of what was streamed is not that of the clip')
  })
  await make('everything is stopped and removed', () => made.disposeAsync())
  console.log(`\nAll of it works: ${walk.seconds.toFixed(1)} s.`)
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}
