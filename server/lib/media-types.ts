import { lookup } from 'mime-types'

/** The media type by a file's name, as players expect it; what is unknown is bytes. */
export const mimeTypeOf = (path: string): string => lookup(path.slice(path.lastIndexOf('/') + 1)) || 'application/octet-stream'

export type Playable = 'direct' | 'external_player' | 'no'

/** Containers that browsers and phones open themselves, and those that want a player such as mpv or VLC. */
const direct = new Set(['mp4', 'm4v', 'webm', 'mp3', 'm4a', 'aac', 'ogg', 'oga', 'opus', 'flac', 'wav'])
const external = new Set(['mkv', 'avi', 'mov', 'wmv', 'flv', 'ts', 'm2ts', 'mts', 'mpg', 'mpeg', 'vob', 'ogv', '3gp', 'mka', 'wma', 'aiff', 'ape'])

/** By the container alone: which codecs are inside is not known before the bytes are. */
export function playableOf(path: string): Playable {
  const extension = /\.(\w{1,5})$/.exec(path)?.[1]?.toLowerCase() ?? ''
  if (direct.has(extension)) return 'direct'
  return external.has(extension) ? 'external_player' : 'no'
}
