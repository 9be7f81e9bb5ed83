import { z } from 'zod'
import { mostTracks, type MediaFacts, type MediaTrack } from './contract.ts'

const text = z.string().optional().catch(undefined)

/** The fields read here of what MediaInfo answers as JSON; a file decides what is in them. */
const Track = z.object({
  '@type': z.string(),
  Format: text,
  Format_Profile: text,
  Format_Version: text,
  CodecID: text,
  Duration: text,
  IsStreamable: text,
  Language: text,
  Width: text,
  Height: text,
  Channels: text,
  BitDepth: text,
})
const Report = z.object({ media: z.object({ track: z.array(Track) }).nullable() })
type Track = z.infer<typeof Track>

export const readReport = (json: string): Track[] => Report.parse(JSON.parse(json)).media?.track ?? []

export const isMedia = ({ '@type': type }: Track): boolean => type === 'Video' || type === 'Audio'

/** In these, the duration stands in a header; in others a parser that stopped halfway knows that of the half. */
const tellDurationAtOnce = new Set(['mp4', 'mov', 'mkv', 'webm', 'avi', 'wmv', 'flv', 'wav', 'aiff'])

export interface Reading {
  /** It was stopped before it had seen what it wanted to. */
  readonly cut: boolean
  /** An mp4 whose length only the whole of it tells. */
  readonly fragmented: boolean
  /** Where Matroska's index begins, as a share of the file; null where it does not say. */
  readonly cuesAt: number | null
}

/** Our facts out of MediaInfo's. What no media tracks are in has no container either: to us it is no media. */
export function factsOf(tracks: readonly Track[], { cut, fragmented, cuesAt }: Reading): MediaFacts {
  const general = tracks.find((track) => track['@type'] === 'General')
  const container = containerOf(general)
  if (container === null || !tracks.some(isMedia)) return { container: null, durationSeconds: null, indexAt: null, tracks: [] }
  const seconds = Number(general?.Duration)
  const known = seconds >= 0.001 && seconds <= 31 * 86_400 && (!cut || (tellDurationAtOnce.has(container) && !fragmented))
  return {
    container,
    durationSeconds: known ? Math.round(seconds * 1000) / 1000 : null,
    indexAt: indexOf(container, general, cuesAt),
    tracks: tracks.flatMap(trackOf).slice(0, mostTracks),
  }
}

const kinds = new Map<string, MediaTrack['kind']>([['Video', 'video'], ['Audio', 'audio'], ['Text', 'subtitle']])

function trackOf(track: Track): MediaTrack[] {
  const kind = kinds.get(track['@type'])
  if (!kind) return []
  return [{
    kind,
    codec: codecOf(track),
    profile: short(track.Format_Profile),
    language: short(track.Language),
    width: whole(track.Width),
    height: whole(track.Height),
    channels: whole(track.Channels),
    bitDepth: whole(track.BitDepth),
  }]
}

const containers = new Map(Object.entries({
  Matroska: 'mkv', ADTS: 'aac', BDAV: 'ts', Wave: 'wav', 'MPEG-TS': 'ts', 'MPEG-PS': 'mpg', 'Windows Media': 'wmv', 'Flash Video': 'flv', 'MPEG Audio': 'mp3',
}))

function containerOf(general: Track | undefined): string | null {
  if (!general?.Format) return null
  if (general.Format === 'MPEG-4') return general.Format_Profile === 'QuickTime' ? 'mov' : 'mp4'
  return containers.get(general.Format) ?? slug(general.Format)
}

const codecs = new Map(Object.entries({
  AVC: 'h264', 'MPEG-4 Visual': 'mpeg4', 'MPEG Video': 'mpeg2', 'AC-3': 'ac3', 'E-AC-3': 'eac3', 'MLP FBA': 'truehd', 'UTF-8': 'srt', 'Timed Text': 'tx3g',
}))

function codecOf({ Format, Format_Profile, CodecID }: Track): string {
  if (!Format) return slug(CodecID ?? '') ?? 'unknown'
  if (Format === 'MPEG Audio') return /^(Layer 3|55|A_MPEG\/L3)$/m.test(`${Format_Profile}\n${CodecID}`) ? 'mp3' : 'mp2'
  return codecs.get(Format) ?? slug(Format) ?? 'unknown'
}

function indexOf(container: string, general: Track | undefined, cuesAt: number | null): MediaFacts['indexAt'] {
  if (container === 'mp4' || container === 'mov') return general?.IsStreamable === 'No' ? 'end' : 'start'
  if (container === 'mkv' || container === 'webm') return cuesAt === null ? null : cuesAt < 0.5 ? 'start' : 'end'
  return container === 'avi' ? 'end' : null
}

const slug = (text: string): string | null => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '').slice(0, 40) || null
/** What a file calls itself is kept only where it is short and plain. */
const short = (text: string | undefined): string | null => (text && /^[\x20-\x7e]{1,40}$/.test(text) ? text : null)
const whole = (text: string | undefined): number | null => (text && /^\d{1,9}$/.test(text) ? Number(text) : null)
