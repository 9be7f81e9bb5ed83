import type { Deps } from '../../kit/context.ts'
import { logError } from '../../kit/log.ts'
import { askBuffered, type Buffered, type WatchedFile } from './progress.ts'

type Watcher = { tell(found: Buffered): void; end(): void }
type Watched = { file: WatchedFile; watchers: Set<Watcher>; timer: NodeJS.Timeout | null }

/** Asks the engine about each file that is looked at, once a second however many look. */
export type ProgressHub = {
  /** @returns what ends it */
  watch(file: WatchedFile, watcher: Watcher): () => void
  /** Ends every watcher. */
  close(): void
}

const everyMs = 1_000

export function createProgressHub(deps: Pick<Deps, 'engine' | 'log'>): ProgressHub {
  const files = new Map<string, Watched>()
  const keyOf = ({ infoHash, fileIndex }: WatchedFile) => `${infoHash}/${fileIndex}`

  const ask = async (watched: Watched) => {
    const found = await askBuffered(deps, watched.file).catch((error: unknown) => logError(deps.log, error, 'the engine could not say what is buffered'))
    if (found !== undefined) for (const { tell } of watched.watchers) tell(found)
    if (watched.watchers.size > 0) watched.timer = setTimeout(() => void ask(watched), everyMs).unref()
  }
  const leave = (watched: Watched) => {
    if (watched.timer) clearTimeout(watched.timer)
    files.delete(keyOf(watched.file))
  }

  return {
    watch(file, watcher) {
      const known = files.get(keyOf(file))
      const watched = known ?? { file, watchers: new Set(), timer: null }
      watched.watchers.add(watcher)
      if (!known) {
        files.set(keyOf(file), watched)
        void ask(watched)
      }
      return () => {
        if (watched.watchers.delete(watcher) && watched.watchers.size === 0) leave(watched)
      }
    },
    close() {
      for (const watched of [...files.values()]) {
        for (const { end } of watched.watchers) end()
        watched.watchers.clear()
        leave(watched)
      }
    },
  }
}
