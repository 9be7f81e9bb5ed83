/** What a cue says: text, and where italics, bold and underlining begin and end. */
export type Markup = ({ readonly text: string } | { readonly tag: Tag; readonly on: boolean })[]
type Tag = 'i' | 'b' | 'u'

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', lrm: '\u200e', rlm: '\u200f' }

/** As SubRip and WebVTT write it: tags in angle brackets, entities, and the braces that some players take from SubStation Alpha. */
export function cueMarkup(text: string): Markup {
  return (text.match(/<[^<>]*>|\{\\[^{}]*\}|[^<{]+|[<{]/g) ?? []).map((part) => {
    const [, end = '', name = ''] = /^<(\/?)([a-z]+)/i.exec(part) ?? []
    if (isTag(name.toLowerCase())) return { tag: name.toLowerCase() as Tag, on: end === '' }
    return { text: /^(<.*>|\{\\.*\})$/s.test(part) && !/^<[^a-z/]/i.test(part) ? '' : withoutEntities(part) }
  })
}

/** As SubStation Alpha writes it: override codes in braces, `\N` for a new line. What is drawn rather than written is left out. */
export function dialogueMarkup(text: string): Markup {
  let drawn = false
  return (text.match(/\{[^{}]*\}|[^{]+|\{/g) ?? []).flatMap((part): Markup => {
    if (!/^\{.*\}$/s.test(part)) return drawn ? [] : [{ text: part.replaceAll(/\\[Nn]/g, '\n').replaceAll(String.raw`\h`, '\u00a0') }]
    return (part.match(/\\[ibup]\d{1,4}(?![^\\}])/g) ?? []).flatMap((code): Markup => {
      const [name, value] = [code.charAt(1), Number(code.slice(2))]
      if (name === 'p') drawn = value > 0
      return isTag(name) ? [{ tag: name, on: value > 0 }] : []
    })
  })
}

/** As text of a WebVTT cue: nothing in it ends the cue or begins another, and every tag that opens is closed. */
export function writeMarkup(markup: Markup): string {
  const open: Tag[] = []
  const written = markup.map((part) => {
    if ('text' in part) return escape(part.text)
    if (part.on) return open.includes(part.tag) ? '' : `<${open[open.push(part.tag) - 1]}>`
    const at = open.lastIndexOf(part.tag)
    if (at < 0) return ''
    const closed = open.splice(at).toReversed()
    const kept = closed.slice(0, -1).toReversed()
    open.push(...kept)
    return closed.map((tag) => `</${tag}>`).join('') + kept.map((tag) => `<${tag}>`).join('')
  })
  const lines = (written.join('') + open.toReversed().map((tag) => `</${tag}>`).join('')).split('\n').map((line) => line.trim())
  const cue = lines.filter((line) => line !== '').join('\n')
  return cue.replaceAll(/<\/?[ibu]>/g, '').trim() === '' ? '' : cue
}

const isTag = (name: string): name is Tag => name === 'i' || name === 'b' || name === 'u'

const withoutEntities = (text: string): string => text.replaceAll(/&([a-z]{2,4}|#\d{1,7});/gi, (whole, name: string) => (name.startsWith('#') ? characterOf(Number(name.slice(1))) : entities[name.toLowerCase()]) ?? whole)
const characterOf = (code: number): string | undefined => (code >= 0x20 && code <= 0x10_ff_ff ? String.fromCodePoint(code) : undefined)

/** Line ends stay, other control characters and halves of characters do not; no `>` is left, so no arrow. */
function escape(text: string): string {
  const clean = text.toWellFormed().replaceAll(/[\u2028\u2029\u0085\v\f\r]/g, '\n').replaceAll(/(?!\n)\p{Cc}/gu, '')
  return clean.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\u200e', '&lrm;').replaceAll('\u200f', '&rlm;')
}
