const lookAlikes: Record<string, string> = { '0': 'o', '1': 'l', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b', '@': 'a', $: 's', '!': 'i' }

/** Letters and digits only, without case and marks, digits and signs read as the letters they stand for. */
const folded = (text: string): string =>
  text.normalize('NFKD').toLowerCase().replace(/[0134578@$!]/g, (sign) => lookAlikes[sign] ?? sign).replace(/[^\p{L}\p{N}]+/gu, '')

const shortest = 4
const restNeeded = 8

/**
 * Is a password little more than something known of its person? It contains it, forwards or backwards, however spelled, and
 * fewer than 8 further letters or digits; or is itself a part of it.
 */
export function resembles(password: string, known: string): boolean {
  const [whole, part] = [folded(password), folded(known)]
  if (part.length < shortest || whole.length === 0) return false
  if (part.includes(whole)) return true
  const backwards = [...part].reverse().join('')
  return [part, backwards].some((form) => whole.includes(form) && whole.split(form).join('').length < restNeeded)
}
