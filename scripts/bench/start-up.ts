import { ownDataFolder, ownSettings } from '../demo/own-instance.ts'
import { startInstance } from '../setup/instance.ts'
import { median, ms, type Figure } from './figures.ts'

const starts = 5

/** From nothing to an answered /readyz: the first start, which makes the database, and later ones. */
export async function benchStartUp(report: (line: string) => void): Promise<Figure[]> {
  await using own = await ownDataFolder('bench')
  const samples: number[] = []
  for (let run = 0; run <= starts; run += 1) {
    const began = performance.now()
    await using instance = await startInstance({ env: ownSettings(own.dataDir), report: () => {} })
    const { status } = await fetch(`${instance.baseUrl}/readyz`)
    if (status !== 200) throw new Error(`/readyz answered ${status}`)
    samples.push(performance.now() - began)
    report(`start ${run + 1}: ${ms(samples.at(-1) ?? 0)}`)
  }
  const [first = 0, ...later] = samples
  return [
    { what: 'first start, the console built already', value: ms(first) },
    { what: `later start, median of ${starts}`, value: ms(median(later)), beside: 'bound: 5000 ms', ratio: (median(later) / 5_000).toFixed(2) },
  ]
}
