/** One line of the table at the end. `ratio` compares with what stands beside it; nothing here is ever asserted. */
export type Figure = { what: string; value: string; beside?: string; ratio?: string }

/** The value below which the given part (0…1) of the samples lies. */
export function percentile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))] ?? Number.NaN
}

export const median = (samples: readonly number[]): number => percentile(samples, 0.5)

export const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`
export const latency = (samples: readonly number[]): string => `p50 ${ms(median(samples))}, p99 ${ms(percentile(samples, 0.99))}`

export function table(figures: readonly Figure[]): string {
  const cells = [['measured', 'value', 'beside it', 'ratio'], ...figures.map(({ what, value, beside = '', ratio = '' }) => [what, value, beside, ratio])]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}
