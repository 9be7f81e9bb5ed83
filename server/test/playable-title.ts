import type { Person } from './actors.ts'
import { startTestApp, type Answer, type AppOptions, type TestApp } from './app.ts'
import { startSwarm, type Swarm, type SwarmOptions } from './swarm.ts'
import { approveTitle, offerTitle } from './titles.ts'

export interface PlayableTitleOptions {
  readonly swarm: SwarmOptions
  readonly app?: AppOptions
  readonly name?: string
  /** What happens between its offer and its approval. */
  readonly offered?: (app: TestApp, torrentId: string) => Promise<unknown>
}

/** The whole server with its engine, and a swarm whose title has been approved. */
export interface PlayableTitle extends AsyncDisposable {
  readonly swarm: Swarm
  readonly app: TestApp
  readonly torrentId: string
  /** Who has approved it. */
  readonly moderator: Person
  readonly viewer: Person
  /** Asks for a link to one of its files; by the viewer unless told otherwise. */
  playback(fileIndex?: number, token?: string): Promise<Answer>
}

/** Starts them all; both are gone when it is disposed of. */
export async function startPlayableTitle({ swarm: swarmOptions, app: appOptions, name, offered }: PlayableTitleOptions): Promise<PlayableTitle> {
  await using made = new AsyncDisposableStack()
  const swarm = made.use(await startSwarm(swarmOptions))
  const app = made.use(await startTestApp({ engine: true, ...appOptions }))
  const [viewer, moderator] = [await app.as.user(), await app.as.moderator()]
  const torrentId = await offerTitle(app, swarm, name)
  await offered?.(app, torrentId)
  await approveTitle(app, torrentId, moderator.token)
  const playback = (fileIndex = 0, token = viewer.token) => app.call('POST', `/torrents/${torrentId}/files/${fileIndex}/playback`, { token })
  const closing = made.move()
  return { swarm, app, torrentId, moderator, viewer, playback, [Symbol.asyncDispose]: () => closing.disposeAsync() }
}
