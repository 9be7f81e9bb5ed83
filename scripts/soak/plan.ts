const MiB = 1024 * 1024

/** What a soak does, and for how long. */
export interface Plan {
  readonly seconds: number
  /** So many read one film at once, and so many besides a file each. */
  readonly readers: number
  readonly filmBytes: number
  /** Titles for each of the latter, read in turn: together more than the cache holds. */
  readonly titlesEach: number
  readonly titleBytes: number
  readonly cacheBytes: number
  /** How long a title stays in the swarm that nobody reads. */
  readonly idleMs: number
  /** The engine is killed so often; never in the last part, so that the last one has lived through some work. */
  readonly killEveryMs: number
  /** How long a viewer who pauses, pauses; who is slow takes a little so often. */
  readonly pauseMs: number
  /** The most that one takes before going elsewhere, or coming to the end. */
  readonly mostBytes: number
}

export const tenMinutes: Plan = {
  seconds: 600,
  readers: 50,
  filmBytes: 64 * MiB,
  titlesEach: 3,
  titleBytes: 3 * MiB,
  cacheBytes: 288 * MiB,
  idleMs: 10_000,
  killEveryMs: 45_000,
  pauseMs: 4_000,
  mostBytes: 2 * MiB,
}

/** The same in seconds, for the tests: fewer viewers, less patience. */
export const brief: Plan = {
  seconds: 3,
  readers: 4,
  filmBytes: 2 * MiB,
  titlesEach: 3,
  titleBytes: MiB,
  cacheBytes: 6.5 * MiB,
  idleMs: 200,
  killEveryMs: 1_200,
  pauseMs: 150,
  mostBytes: MiB,
}
