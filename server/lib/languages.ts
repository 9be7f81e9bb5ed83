/** What people write into file names to say a language. */

const codes = 'ar bg bn ca cs cy da de el en eo es et eu fa fi fr ga gl he hi hr hu hy id is it ja ka ko lt lv mk ml ms nb nl nn no pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur vi zh'.split(' ')

/** Regional kinds, and words that are no code of ISO 639 and no name of a language. */
const others: Record<string, string> = {
  brazilian: 'pt-BR', pob: 'pt-BR', ptbr: 'pt-BR', latino: 'es-419', latin: 'es-419', castellano: 'es-ES', castilian: 'es-ES', chs: 'zh-Hans', cht: 'zh-Hant', simplified: 'zh-Hans', traditional: 'zh-Hant',
  farsi: 'fa', flemish: 'nl-BE', mandarin: 'zh', cantonese: 'yue', bokmål: 'nb', scr: 'hr', scc: 'sr',
}

const nameOf = (tag: string, inLanguage: string): string | undefined => new Intl.DisplayNames([inLanguage], { type: 'language', fallback: 'none' }).of(tag)

const known = new Map<string, string>(Object.entries(others))
for (const code of codes) for (const word of [code, nameOf(code, 'en'), nameOf(code, code)]) if (word) known.set(word.toLowerCase(), code)

/** The BCP 47 tag of a word such as `en`, `eng`, `English`, `Deutsch` or `pt-BR`, or null. */
export function languageOf(word: string): string | null {
  const text = word.toLowerCase()
  const found = known.get(text)
  if (found) return found
  if (/^[a-z]{3}$/.test(text)) return known.get(canonical(text)) ?? null
  const [, language = '', region = ''] = /^([a-z]{2,3})[-_]([a-z]{2}|419)$/.exec(text) ?? []
  const base = language === '' ? null : languageOf(language)
  if (base === null) return null
  // what is no country leaves the language as it is
  return new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' }).of(region.toUpperCase()) === undefined ? base : canonical(`${base}-${region}`)
}

/** In English: "Portuguese (Brazil)". */
export const languageName = (tag: string): string => nameOf(tag, 'en') ?? tag

/** ISO 639-2 and -3 to the code that BCP 47 wants: `ger` and `deu` are `de`. */
const canonical = (tag: string): string => Intl.getCanonicalLocales(tag)[0] ?? tag
