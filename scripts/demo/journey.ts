/** Steps of a journey, one line each: what was done, what was seen and how long it took. The first that fails ends it. */
export class JourneyFault extends Error {
  override name = 'JourneyFault'
}

type Work<T> = (saw: (note: string) => void) => Promise<T>

export type Journey = {
  /** Does the work; `saw` may add what was seen to the line. A signal ends it at once. */
  step<T>(what: string, work: Work<T>): Promise<T>
  /** The same for what starts something: it comes to its end before a signal is obeyed, so that nothing stays behind. */
  make<T>(what: string, work: Work<T>): Promise<T>
  readonly seconds: number
}

type Options = { print: (line: string) => void; signal: AbortSignal }

export function createJourney({ print, signal }: Options): Journey {
  const began = performance.now()
  const stopped = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
  stopped.catch(() => {})

  async function take<T>(what: string, work: Work<T>, race: (working: Promise<T>) => Promise<T>): Promise<T> {
    const start = performance.now()
    const notes: string[] = []
    try {
      signal.throwIfAborted()
      const result = await race(work((note) => notes.push(note)))
      signal.throwIfAborted()
      const took = `${((performance.now() - start) / 1000).toFixed(2)} s`.padStart(8)
      print(`${took}  ${what}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`)
      return result
    } catch (error) {
      if (signal.aborted) throw error
      throw new JourneyFault(`Failed: ${what}: ${sentence(error)}`, { cause: error })
    }
  }
  return {
    get seconds() {
      return (performance.now() - began) / 1000
    },
    step: (what, work) => take(what, work, (working) => Promise.race([working, stopped])),
    make: (what, work) => take(what, work, (working) => working),
  }
}

/** `fetch` says little itself; its cause says what happened. */
function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

export function demand(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message)
}
