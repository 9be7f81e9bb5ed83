import { Worker } from 'node:worker_threads'
import { AppError } from '../../kit/errors.ts'
import type { SubtitleFormat } from '../../lib/subtitle-files.ts'

/** A film of three hours has about 200 kB; with styles and several languages in one file, a few times that. */
export const mostSubtitleBytes = 4 * 1024 * 1024
/** 4 MiB of the worst that was thought of take 1 s and 60 MB. */
const limits = { timeMs: 10_000, maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 32, stackSizeMb: 2 }
const mostAtOnce = 2

const script = new URL('./subtitle-worker.ts', import.meta.url)
export const unreadable = (why: string) => new AppError(422, 'subtitles_unreadable', 'These subtitles cannot be read.', { detail: why })

let running = 0
const waiting: (() => void)[] = []

/** Makes WebVTT of a subtitle file, in a thread that is cut off when it takes too long or too much. @throws AppError 422 subtitles_unreadable */
export async function convertSubtitles(bytes: Uint8Array, format: SubtitleFormat): Promise<string> {
  // looked at again: between the call and its turn another may have come
  while (running >= mostAtOnce) await new Promise<void>((resolve) => waiting.push(resolve))
  running += 1
  try {
    const { vtt, cues } = await work(bytes, format)
    if (cues === 0) throw unreadable('no cue was found')
    return vtt
  } finally {
    running -= 1
    waiting.shift()?.()
  }
}

async function work(bytes: Uint8Array, format: SubtitleFormat): Promise<{ vtt: string; cues: number }> {
  const { timeMs, ...resourceLimits } = limits
  const { promise, resolve, reject } = Promise.withResolvers<{ vtt: string; cues: number }>()
  const worker = new Worker(script, { workerData: { bytes, format }, env: {}, resourceLimits, execArgv: ['--disable-warning=ExperimentalWarning'], stdout: true, stderr: true })
  const timer = setTimeout(() => reject(unreadable(`reading took more than ${timeMs} ms`)), timeMs)
  worker.once('message', resolve)
  worker.once('error', (error: unknown) => reject(unreadable(error instanceof Error ? error.message : String(error))))
  worker.once('exit', (code) => reject(unreadable(`the thread ended with ${code}`)))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
