const bytesUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** A size as people say it, in powers of 1000: `1.4 GB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), bytesUnits.length - 1)
  const value = bytes / 1000 ** power
  // 999.96 MB must not be shown as 1000.0 MB
  const [shown, unit] = power > 0 && value >= 999.5 && power < bytesUnits.length - 1 ? [value / 1000, power + 1] : [value, power]
  return `${unit === 0 || shown >= 100 ? Math.round(shown) : shown.toFixed(1)} ${bytesUnits[unit] ?? 'B'}`
}

/** How long a file plays, as players show it: `0:04`, `1:37:05`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds)
  const parts = whole < 3_600 ? [Math.floor(whole / 60), whole % 60] : [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60]
  return parts.map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

const counted = new Intl.NumberFormat('en')

/** `1 file`, `1,204 files`. */
export const formatCount = (count: number, noun: string): string => `${counted.format(count)} ${noun}${count === 1 ? '' : 's'}`

export const formatNumber = (value: number): string => counted.format(value)

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const steps: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

/** `3 hours ago`, `yesterday`; `just now` within a minute. */
export function formatAgo(at: string, now: string): string {
  const seconds = (Date.parse(at) - Date.parse(now)) / 1000
  for (const [unit, length] of steps) if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit)
  return 'just now'
}

/** `20 November 2025`, of UTC. */
export const formatDay = (at: string): string => new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' })

/** `20 November 2025, 17:24:03 UTC`: the same wherever it is rendered. */
export function formatExact(at: string): string {
  return `${formatDay(at)}, ${new Date(at).toISOString().slice(11, 19)} UTC`
}
