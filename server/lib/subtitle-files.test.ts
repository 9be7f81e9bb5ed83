import { describe, expect, test } from 'vitest'
import { languageOf } from './languages.ts'
import { subtitlesOf, subtitlesToFilms } from './subtitle-files.ts'

const files = (...paths: string[]) => paths.map((path, index) => ({ index, path }))

describe('a word that says a language', () => {
  test.each([
    ['en', 'en'], ['ENG', 'en'], ['English', 'en'], ['ger', 'de'], ['deu', 'de'], ['Deutsch', 'de'], ['français', 'fr'], ['fre', 'fr'], ['pt-BR', 'pt-BR'], ['pt_br', 'pt-BR'], ['Brazilian', 'pt-BR'],
    ['es-419', 'es-419'], ['chs', 'zh-Hans'], ['日本語', 'ja'], ['the', null], ['forced', null], ['x264', null], ['web', null], ['', null], ['en-', null], ['zz-ZZ', null],
  ])('%s is %s', (word, tag) => {
    expect(languageOf(word)).toBe(tag)
  })
})

describe('which film a subtitle is of', () => {
  test.each<[string, string[], Record<number, number>]>([
    ['the same name beside it', ['film.mp4', 'film.srt', 'other.mp4', 'other.en.srt'], { 1: 0, 3: 2 }],
    ['the longest name that fits', ['film.mp4', 'film.part.two.mkv', 'film.part.two.en.srt', 'film.en.srt'], { 2: 1, 3: 0 }],
    ['no half of a word', ['film.mp4', 'filmed.mp4', 'filmed.srt', 'fil.srt'], { 2: 1 }],
    ['any case', ['Film.MP4', 'FILM.En.SRT', 'b.mp4'], { 1: 0 }],
    ['a folder of subtitles', ['a/film.mp4', 'a/bonus.mp4', 'a/Subs/film.de.ass', 'a/Subs/bonus_fr.vtt'], { 2: 0, 3: 1 }],
    ['a folder a film', ['Show.S01E01.mkv', 'Show.S01E02.mkv', 'Subs/Show.S01E01/2_English.srt', 'Subs/Show.S01E02/3_French.srt'], { 2: 0, 3: 1 }],
    ['season and episode', ['Show.S01E01.1080p.mkv', 'Show.S01E02.1080p.mkv', 'subs/show 1x02 en.srt', 's01e01.fr.srt'], { 2: 1, 3: 0 }],
    ['the only film of the torrent', ['Film.2020.mkv', 'readme.txt', 'Subs/2_English.srt', 'x/y/z.srt'], { 2: 0, 3: 0 }],
    ['the only film of the folder', ['a/one.mkv', 'b/two.mkv', 'a/English.srt', 'b/Subs/German.srt'], { 2: 0, 3: 1 }],
    ['nothing tells', ['a.mkv', 'b.mkv', 'English.srt', 'Subs/2_English.srt'], {}],
    ['an episode twice', ['v1/S01E01.mkv', 'S01E01.a.mkv', 'S01E01.b.mkv', 'Subs/S01E01.x.srt'], {}],
    ['no film at all', ['readme.txt', 'a.srt'], {}],
    ['what is no subtitle', ['film.mp4', 'film.sub', 'film.idx', 'film.txt', 'film.nfo', 'srt'], {}],
  ])('%s', (_what, paths, expected) => {
    expect(Object.fromEntries(subtitlesToFilms(files(...paths)))).toEqual(expected)
  })

  test('ten thousand of each are matched in one pass', () => {
    const many = files(...Array.from({ length: 10_000 }, (_, n) => [`d${n % 7}/${'x.'.repeat(100)}${n}.mkv`, `d${n % 7}/Subs/${'x.'.repeat(100)}${n}.en.srt`]).flat())
    const began = performance.now()
    expect(subtitlesToFilms(many).size).toBe(10_000)
    expect(performance.now() - began).toBeLessThan(10_000)
  })
})

describe('language and label', () => {
  test.each<[string, string | null, string]>([
    ['film.srt', null, 'Subtitles'],
    ['film.en.srt', 'en', 'English'],
    ['film.eng.forced.srt', 'en', 'English (forced)'],
    ['film.en.sdh.srt', 'en', 'English (hearing impaired)'],
    ['film.en.hi.srt', 'en', 'English (hearing impaired)'],
    ['film.hi.srt', 'hi', 'Hindi'],
    ['film.pt-BR.srt', 'pt-BR', 'Brazilian Portuguese'],
    ['film [German].ass', 'de', 'German'],
    ['film.1080p.x264.srt', null, 'Subtitles'],
    ['Subs/2_English.srt', 'en', 'English'],
    ['Subs/12_Brazilian Portuguese.srt', 'pt-BR', 'Brazilian Portuguese'],
    ['film.fr.commentary.vtt', 'fr', 'French (commentary)'],
  ])('%s', (path, language, label) => {
    expect(subtitlesOf(files('film.mp4', path), 0)).toMatchObject([{ index: 1, language, label }])
  })

  test('those in a language first, by name; the second of one is numbered', () => {
    expect(subtitlesOf(files('film.mp4', 'film.srt', 'film.en.srt', 'film.eng.ass', 'film.de.vtt'), 0)).toEqual([
      { index: 2, format: 'srt', language: 'en', label: 'English' },
      { index: 3, format: 'ass', language: 'en', label: 'English 2' },
      { index: 4, format: 'vtt', language: 'de', label: 'German' },
      { index: 1, format: 'srt', language: null, label: 'Subtitles' },
    ])
  })
})
