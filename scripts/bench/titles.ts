/** A catalogue of invented titles, the same at each run, written straight into the database. */
import { createHash } from 'node:crypto'
import postgres from 'postgres'

const adjectives = 'ancient blue broken burning calm coastal crimson distant early eastern empty endless fading final forgotten frozen gentle golden green hidden hollow inner last little lonely lost midnight northern open pale quiet restless rising rural sacred second secret silent silver slow southern stolen sudden sunken urban wandering western wild winter young'.split(' ')
const nouns = 'archive bridge canal castle city coast country dawn desert dream empire engine field fire forest garden glacier harbour highway history horizon house island journey kingdom lake letter library light machine market memory mirror mountain museum night ocean orchard orchestra path planet railway river road school shadow shore signal sky song station storm street summer symphony theatre tower train valley village voyage wall wave wind workshop'.split(' ')
const places = 'Amsterdam Ávila Bogotá Brno Cádiz Dakar Düsseldorf Évora Genève Göteborg Kraków Kyoto León Lisboa Łódź Málaga Montréal Nairobi Oulu Pécs Quito Reykjavík São Paulo Sofia Tartu Tromsø Valparaíso Vilnius Zürich'.split(' ')
const categories = ['films', 'series', 'documentaries', 'music', 'audiobooks', 'education', 'other']
const licences = ['CC BY 4.0', 'CC BY-SA 4.0', 'CC0 1.0', 'Public domain']

/** A stream of numbers below a bound, decided by its seed (mulberry32). */
export function dice(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

export function makeTitle(index: number): { title: string; description: string; category: string; licence: string } {
  const roll = dice(index)
  const pick = (words: string[]) => words[roll(words.length)] ?? ''
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)
  const name = `The ${capital(pick(adjectives))} ${capital(pick(nouns))}`
  const forms = [`${name} of ${pick(places)}`, `${name} (${1920 + roll(105)})`, `${name} and the ${capital(pick(nouns))}`, `${pick(places)}: ${capital(pick(adjectives))} ${capital(pick(nouns))} S0${1 + roll(9)}E${10 + roll(14)}`]
  const words = Array.from({ length: 8 + roll(25) }, () => pick(roll(2) ? nouns : adjectives)).join(' ')
  return { title: `${pick(forms)} ${index}`, description: `A ${words} in ${pick(places)}.`, category: pick(categories), licence: pick(licences) }
}

/** @param url the owner's login: the planner needs fresh statistics, and only the owner may have them taken. */
export async function fillCatalogue(url: string, count: number): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  const perBatch = 5_000
  try {
    for (let from = 0; from < count; from += perBatch) {
      const rows = Array.from({ length: Math.min(perBatch, count - from) }, (_, at) => {
        const index = from + at
        return { ...makeTitle(index), info_hash: createHash('sha1').update(`bench ${index}`).digest('hex'), size: 1_000_000 * (1 + (index % 5_000)), age: index }
      })
      await sql`
        insert into torrents (id, info_hash, title, description, category_id, licence, source, state, trackers, web_seeds, verified_at, size_bytes, seeders, created_at, approved_at)
        select gen_random_uuid(), info_hash, title, description, category, licence, 'bench', 'approved', '{}', '{}', moment, size, size % 500, moment, moment
        from (select *, now() - make_interval(secs => age * 60) as moment
              from jsonb_to_recordset(${sql.json(rows)}) as made(info_hash text, title text, description text, category text, licence text, size bigint, age int)) as made`
    }
    await sql`vacuum analyze torrents`
  } finally {
    await sql.end()
  }
}
