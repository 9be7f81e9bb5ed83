import { benchVerification } from './verification.ts'
import { viewerToken, type BenchInstance } from './accounts.ts'
import { latency, median, type Figure } from './figures.ts'
import { load } from './load.ts'

const rounds = 6
const seconds = 1.5
const clients = 10

/** What a token costs: the same public route with and without one, in turn. */
export async function benchSignedIn(bench: BenchInstance, report: (line: string) => void): Promise<Figure[]> {
  const url = `${bench.instance.baseUrl}/api/v1/categories`
  const headers = { authorization: `Bearer ${await viewerToken(bench)}` }
  const signedIn: number[] = []
  const anonymous: number[] = []
  const rates: number[] = []
  await load(clients, 1, (count) => (count % 2 ? { url } : { url, headers }))
  for (let round = 0; round < rounds; round += 1) {
    const without = await load(clients, seconds, () => ({ url }))
    const withToken = await load(clients, seconds, () => ({ url, headers }))
    anonymous.push(...without)
    signedIn.push(...withToken)
    rates.push(withToken.length / without.length)
    report(`round ${round + 1}: ${(withToken.length / seconds).toFixed(0)} a second with a token, ${(without.length / seconds).toFixed(0)} without`)
  }
  const perSecond = (samples: number[]) => `${(samples.length / rounds / seconds).toFixed(0)} a second, ${latency(samples)}`
  return [
    await benchVerification(bench),
    { what: `/categories with a token, ${clients} at once`, value: perSecond(signedIn), beside: `without: ${perSecond(anonymous)}`, ratio: median(rates).toFixed(2) },
  ]
}
