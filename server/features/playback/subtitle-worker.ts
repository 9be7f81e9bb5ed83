/** The thread that reads a stranger's subtitles: it is given bytes, answers text, and has nothing else (control D5). */
import { parentPort, workerData } from 'node:worker_threads'
import { decodeText } from '../../lib/decode-text.ts'
import type { SubtitleFormat } from '../../lib/subtitle-files.ts'
import { toWebVtt } from '../../lib/webvtt.ts'

const { bytes, format } = workerData as { bytes: Uint8Array; format: SubtitleFormat }
parentPort?.postMessage(toWebVtt(decodeText(bytes), format))
