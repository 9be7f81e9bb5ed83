/** `seconds` of play, where known. */
export interface PlaylistEntry { readonly title: string; readonly url: string; readonly seconds?: number | null }

/** An extended M3U (as in RFC 8216 section 4.1: UTF-8, one line each). Titles are one line whatever is in them; URLs are of our own making. */
export function m3u(title: string, entries: readonly PlaylistEntry[]): string {
  const lines = entries.flatMap((entry) => [`#EXTINF:${entry.seconds == null ? -1 : Math.round(entry.seconds)},${oneLine(entry.title)}`, entry.url])
  return [`#EXTM3U`, `#PLAYLIST:${oneLine(title)}`, ...lines, ''].join('\n')
}

const oneLine = (text: string): string => text.toWellFormed().replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim()
