import { viewerToken, type BenchInstance } from './accounts.ts'
import { latency, ms, type Figure } from './figures.ts'
import { load } from './load.ts'
import { fillCatalogue, makeTitle } from './titles.ts'

const titles = 100_000
const seconds = 4

/** What people type, by kind: each makes the database work in another way. The argument makes each a different one. */
const kinds: Record<string, (count: number) => string> = {
  'a common word': (count) => `q=${['golden', 'river', 'island', 'station'][count % 4]}`,
  'two words': (count) => `q=${words(count).slice(0, 2).join('+')}`,
  'an unfinished word': (count) => `q=${words(count)[0]}+${words(count)[1]?.slice(0, 3)}`,
  'one exact title': (count) => `q=${encodeURIComponent(makeTitle((count * 7919) % titles).title)}`,
  'a misspelt word': (count) => `q=${['glacer', 'symphny', 'lighthuse', 'forgoten'][count % 4]}`,
  'a category, newest first': (count) => `q=${words(count)[0]}&category=films&sort=newest`,
  'no words, by size': () => 'sort=size',
}

export async function benchSearch(bench: BenchInstance, report: (line: string) => void): Promise<Figure[]> {
  const owner = bench.instance.databaseUrls.owner
  if (owner === undefined) throw new Error('the instance has no owner login')
  const began = performance.now()
  await fillCatalogue(owner, titles)
  report(`${titles} titles written in ${ms(performance.now() - began)}`)
  const headers = { authorization: `Bearer ${await viewerToken(bench)}` }
  const target = (query: string) => ({ url: `${bench.instance.baseUrl}/api/v1/torrents/search?${query}`, headers })

  const figures: Figure[] = []
  const makers = Object.values(kinds)
  await load(2, 2, (count) => target(makers[count % makers.length]?.(count) ?? ''))
  for (const [kind, make] of Object.entries(kinds)) {
    const samples = await load(1, seconds, (count) => target(make(count)))
    figures.push({ what: `search, ${kind}`, value: latency(samples) })
    report(`${kind}: ${latency(samples)} (${samples.length} requests)`)
  }
  const mixed = await load(10, seconds, (count) => target(makers[count % makers.length]?.(count) ?? ''))
  figures.push({ what: 'search, all kinds mixed, 10 at once', value: latency(mixed), beside: `${(mixed.length / seconds).toFixed(0)} a second` })
  return figures
}

/** Two words of some title, different at each count. */
function words(count: number): string[] {
  const { title } = makeTitle((count * 104_729) % titles)
  return title.toLowerCase().split(/[^\p{L}]+/u).filter((word) => word.length > 3).map(encodeURIComponent)
}
