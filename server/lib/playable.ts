import type { Playable } from './media-types.ts'

/** What is known of a track: names as decision 0027 lists them, null where the file does not say. */
export interface PlayedTrack { readonly kind: 'video' | 'audio' | 'subtitle'; readonly codec: string; readonly profile: string | null; readonly bitDepth: number | null }
export interface PlayedFile { readonly container: string; readonly tracks: readonly PlayedTrack[] }

type Codecs = { readonly video: readonly string[]; readonly audio: readonly string[] }
const sound = (...audio: string[]): Codecs => ({ video: [], audio })

/** What ExoPlayer and Chromium both play by themselves, and AVPlayer but for WebM and Ogg; the sources are in decision 0027. */
const direct = new Map<string, Codecs>(Object.entries({
  mp4: { video: ['h264'], audio: ['aac', 'mp3'] },
  webm: { video: ['vp8', 'vp9', 'av1'], audio: ['opus', 'vorbis'] },
  ogg: sound('opus', 'vorbis', 'flac'),
  mp3: sound('mp3'),
  aac: sound('aac'),
  flac: sound('flac'),
  wav: sound('pcm'),
}))

/** By what is inside. A player takes the first track of each kind unless it is told otherwise, so these decide. */
export function playableBy({ container, tracks }: PlayedFile): Playable {
  const [video, audio] = (['video', 'audio'] as const).map((kind) => tracks.find((track) => track.kind === kind))
  if (!video && !audio) return 'no'
  const codecs = direct.get(container)
  const plays = codecs && (!video || (codecs.video.includes(video.codec) && isPhones(video))) && (!audio || codecs.audio.includes(audio.codec))
  return plays ? 'direct' : 'external_player'
}

/** Decoders of phones take 8 bits of 4:2:0; AV1 alone has 10 bits in its main profile. */
const isPhones = ({ codec, profile, bitDepth }: PlayedTrack): boolean =>
  codec === 'av1' ? profile === null || profile.startsWith('Main') : (bitDepth ?? 8) === 8 && !/4:(2:2|4:4)|Intra/.test(profile ?? '')
