import { languageName, languageOf } from './languages.ts'
import { playableOf } from './media-types.ts'

export type SubtitleFormat = 'srt' | 'vtt' | 'ass'
export interface SubtitleFile { readonly index: number; readonly format: SubtitleFormat; readonly language: string | null; readonly label: string }
interface TorrentFile { readonly index: number; readonly path: string }

const formats: Record<string, SubtitleFormat> = { srt: 'srt', vtt: 'vtt', ass: 'ass', ssa: 'ass' }
const folderOfSubtitles = /^(sub|subs|subtitle|subtitles|vtt|srt|cc|captions)$/i

interface Name { readonly folders: readonly string[]; readonly stem: string; readonly extension: string }
interface Film { readonly index: number; readonly name: Name }

/** The subtitles of a film among its torrent's files, by what the names say; the ones in a language before those without. */
export function subtitlesOf(files: readonly TorrentFile[], filmIndex: number): SubtitleFile[] {
  const found = matches(files).filter(({ film }) => film === filmIndex)
  const labels = new Map<string, number>()
  return found
    .sort((a, b) => Number(a.language === null) - Number(b.language === null) || a.label.localeCompare(b.label, 'en') || a.index - b.index)
    .map(({ index, format, language, label }) => {
      const nth = (labels.get(label) ?? 0) + 1
      labels.set(label, nth)
      return { index, format, language, label: nth > 1 ? `${label} ${nth}` : label }
    })
}

/** For each file that is a subtitle of a film, the film's index. */
export const subtitlesToFilms = (files: readonly TorrentFile[]): Map<number, number> => new Map(matches(files).map(({ index, film }) => [index, film]))

/** In one pass over the files, whatever their number. */
function matches(files: readonly TorrentFile[]): (SubtitleFile & { film: number })[] {
  const named = files.map(({ index, path }) => ({ index, path, name: nameOf(path) }))
  const films = named.filter(({ path }) => playableOf(path) !== 'no')
  const byPath = new Map<string, Film>()
  const byEpisode = new Map<string, Film | null>()
  const byFolder = new Map<string, Film | null>()
  for (const film of films) {
    const folder = keyOf(film.name.folders)
    byPath.set(`${folder}${film.name.stem.toLowerCase()}`, film)
    const episode = episodeOf(film.name.stem)?.code
    if (episode) byEpisode.set(folder + episode, byEpisode.has(folder + episode) ? null : film)
    byFolder.set(folder, byFolder.has(folder) ? null : film)
  }
  const [only] = films.length === 1 ? films : []

  return named.flatMap(({ index, name }) => {
    const format = formats[name.extension]
    if (!format) return []
    const match = ofSameStem(name, byPath) ?? ofSameEpisode(name, byEpisode) ?? ofSameFolder(name, byFolder, only)
    return match ? [{ index, format, film: match.film.index, ...wordsOf(match.rest) }] : []
  })
}

type Match = { film: Film; rest: string }

/** The folders a film may stand in for a subtitle of this name: its own, and the one that its folder of subtitles is in. */
function homesOf({ folders }: Name): string[] {
  const last = folders.at(-1) ?? ''
  return folderOfSubtitles.test(last) ? [keyOf(folders), keyOf(folders.slice(0, -1))] : [keyOf(folders)]
}

/** `film.en.srt` beside `film.mp4`, `Subs/film.en.srt`, `Subs/film/2_English.srt`. */
function ofSameStem(name: Name, byPath: ReadonlyMap<string, Film>): Match | null {
  const [parent = '', last = ''] = [name.folders.at(-2), name.folders.at(-1)]
  for (const home of homesOf(name)) {
    for (let end = name.stem.length; end > 0; end = lastBreak(name.stem, end)) {
      const film = byPath.get(home + name.stem.slice(0, end).toLowerCase())
      if (film) return { film, rest: name.stem.slice(end) }
    }
  }
  const film = folderOfSubtitles.test(parent) ? byPath.get(keyOf(name.folders.slice(0, -2)) + last.toLowerCase()) : undefined
  return film ? { film, rest: name.stem } : null
}

function ofSameEpisode(name: Name, byEpisode: ReadonlyMap<string, Film | null>): Match | null {
  const episode = episodeOf(name.stem)
  if (!episode) return null
  const film = homesOf(name).map((home) => byEpisode.get(home + episode.code)).find(Boolean)
  return film ? { film, rest: episode.rest } : null
}

/** Nothing in the name says which, but there is only one that it could be. */
function ofSameFolder(name: Name, byFolder: ReadonlyMap<string, Film | null>, only: Film | undefined): Match | null {
  const film = homesOf(name).map((home) => byFolder.get(home)).find(Boolean) ?? only
  return film ? { film, rest: name.stem } : null
}

const breaks = /[\s._()[\]-]/
function lastBreak(stem: string, before: number): number {
  let at = before - 1
  while (at > 0 && !breaks.test(stem.charAt(at))) at -= 1
  return at
}

/** S01E02, s1e2, 1x02: season and episode by number. */
function episodeOf(stem: string): { code: string; rest: string } | null {
  const found = /(?<![a-z\d])(?:s(\d{1,2})[ ._-]?e(\d{1,3})|(\d{1,2})x(\d{2,3}))(?!\d)/i.exec(stem)
  if (!found) return null
  const [whole, season, episode, otherSeason, otherEpisode] = found
  return { code: `s${Number(season ?? otherSeason)}e${Number(episode ?? otherEpisode)}`, rest: stem.slice(found.index + whole.length) }
}

/** Language and kind from what is left of a name: `.en.forced`, `2_English`, `.pt-BR`. The last words say it. */
function wordsOf(rest: string): { language: string | null; label: string } {
  const words = rest.toLowerCase().split(/[\s._()[\],+]+/).filter((word) => word !== '' && !/^\d+$/.test(word)).slice(-4)
  const spoken = words.flatMap((word) => word.split('-').every((part) => part !== '') ? (languageOf(word) ?? word.split('-').map(languageOf).find(Boolean) ?? []) : [])
  // "hi" beside another language says: for the hearing impaired
  const [language = null] = spoken.length > 1 && words.includes('hi') ? spoken.filter((tag) => tag !== 'hi') : spoken
  const impaired = words.some((word) => /^(sdh|cc|hoh)$/.test(word)) || (words.includes('hi') && language !== 'hi')
  const kinds = [...(words.includes('forced') ? ['forced'] : []), ...(impaired ? ['hearing impaired'] : []), ...(words.some((word) => /^comment(ary|s)?$/.test(word)) ? ['commentary'] : [])]
  return { language, label: [language === null ? 'Subtitles' : languageName(language), ...(kinds.length > 0 ? [`(${kinds.join(', ')})`] : [])].join(' ') }
}

function nameOf(path: string): Name {
  const folders = path.split('/')
  const file = folders.pop() ?? ''
  const dot = file.lastIndexOf('.')
  return dot <= 0 ? { folders, stem: file, extension: '' } : { folders, stem: file.slice(0, dot), extension: file.slice(dot + 1).toLowerCase() }
}

const keyOf = (folders: readonly string[]): string => folders.map((folder) => `${folder.toLowerCase()}/`).join('')
