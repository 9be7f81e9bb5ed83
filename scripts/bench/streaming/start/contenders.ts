/** Who starts a stream, each a process that lives as long as the bench: told over IPC to `begin` and to `end`, asked by HTTP for bytes. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isPresent } from '../../../peers/presence.ts'

/** From parent to child: a torrent to stream, from nothing, as a player's first request would have it; or to forget it. */
export type Command = { readonly torrentFile: Uint8Array; readonly folder: string } | 'end'
/** From child to parent: where the torrent's file is read; or that it is forgotten, and may be begun again. */
export type Answer = { readonly url: string } | 'ended' | 'ready'

export interface Contender extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  begin(torrentFile: Uint8Array, folder: string): Promise<string>
  end(): Promise<void>
}

const scripts = [
  { name: 'ours', script: 'ours.ts' },
  { name: 'webtorrent', script: 'webtorrent-server.ts' },
  { name: 'torrent-stream', script: 'torrent-stream-server.ts' },
] as const

export type ContenderName = (typeof scripts)[number]['name']

/** Those that are there, ours first; torrent-stream comes with `npm run peers`. */
export async function startContenders(): Promise<Contender[]> {
  return Promise.all(scripts.filter(({ name }) => name !== 'torrent-stream' || isPresent('torrentStream')).map(({ name }) => startContender(name)))
}

export async function startContender(name: ContenderName): Promise<Contender> {
  const script = scripts.find((one) => one.name === name)?.script ?? ''
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), { execArgv: ['--disable-warning=ExperimentalWarning'], serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const answer = async (): Promise<Answer> => {
    const gaveUp = new AbortController()
    const gone = exited.then(() => { throw new Error(`${name} ended by itself`) })
    try {
      const [said] = (await Promise.race([once(child, 'message', { signal: gaveUp.signal }), gone])) as [Answer]
      return said
    } finally {
      gaveUp.abort()
      gone.catch(() => {})
    }
  }
  await answer()
  return {
    name,
    pid: child.pid ?? 0,
    async begin(torrentFile, folder) {
      child.send({ torrentFile, folder } satisfies Command)
      const begun = await answer()
      if (typeof begun === 'string') throw new Error(`${name} said ${begun}`)
      return begun.url
    },
    async end() {
      child.send('end' satisfies Command)
      await answer()
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}
