/**
 * What the server and the examiner of a media file say to each other over the IPC channel of a child process. One process
 * examines one file: it is told the size, asks for stretches of bytes, and ends with facts or without.
 */
import { z } from 'zod'

/** The server refuses to hand out more than this, whatever is asked; an examiner in good health stops before. */
export const examinerLimits = {
  /** Of one file, in all. */
  mostBytes: 32 * 1024 * 1024,
  /** In one question. */
  stretchBytes: 256 * 1024,
}

export const ToExaminer = z.discriminatedUnion('kind', [
  /** `lifeMs`: it ends itself after so long; the server ends it before, unless the server has died. `wasmBytes`: the most the parser gets. */
  z.strictObject({ kind: z.literal('examine'), sizeBytes: z.int().min(1), lifeMs: z.int().min(1), wasmBytes: z.int().min(1) }),
  z.strictObject({ kind: z.literal('bytes'), bytes: z.custom<Uint8Array>((value) => value instanceof Uint8Array) }),
])
export type ToExaminer = z.infer<typeof ToExaminer>

const name = z.string().min(1).max(40)
const count = z.int().min(0).max(2 ** 31 - 1)

export const MediaTrack = z.strictObject({
  kind: z.enum(['video', 'audio', 'subtitle']),
  /** `h264`, `aac`…: the names that lib/playable.ts knows, or the parser's own, in lower case. */
  codec: name,
  profile: name.nullable(),
  /** As the file has it, by the tags of BCP 47 where the parser knows them. */
  language: name.nullable(),
  width: count.nullable(),
  height: count.nullable(),
  channels: count.nullable(),
  bitDepth: count.nullable(),
})
export type MediaTrack = z.infer<typeof MediaTrack>

export const mostTracks = 64

export const MediaFacts = z.strictObject({
  /** `mp4`, `mkv`…; null for what is no media the parser knows. */
  container: name.nullable(),
  /** Null where only reading the whole file would tell. */
  durationSeconds: z.number().positive().max(31 * 86_400).nullable(),
  /** Where a player has to look before it can seek; null for files without an index, or whose place is not known. */
  indexAt: z.enum(['start', 'end']).nullable(),
  tracks: z.array(MediaTrack).max(mostTracks),
})
export type MediaFacts = z.infer<typeof MediaFacts>

export const FromExaminer = z.discriminatedUnion('kind', [
  /** It has started: what goes wrong from here on is the file's doing. */
  z.strictObject({ kind: z.literal('ready') }),
  z.strictObject({ kind: z.literal('need'), offset: z.int().min(0), length: z.int().min(1).max(examinerLimits.stretchBytes) }),
  z.strictObject({ kind: z.literal('facts'), facts: MediaFacts }),
])
export type FromExaminer = z.infer<typeof FromExaminer>
