import { UsageError } from './faults.ts'

const dayMs = 86_400_000
const mostDays = 3_650

/** When something ends: a number of days from now, or a date (its end, UTC). @throws UsageError unless within the next ten years */
export function readExpiry(given: string, now: Date): Date {
  const date = /^\d{4}-\d{2}-\d{2}$/.test(given) ? new Date(`${given}T23:59:59.999Z`) : null
  // Date.parse turns 2026-02-31 into March
  const real = date && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(given) ? date : null
  const days = /^\d{1,4}$/.test(given) ? Number(given) : null
  const end = real ?? (days === null ? null : new Date(now.getTime() + days * dayMs))
  if (!end) throw new UsageError('--expires must be a number of days, such as 90, or a date, such as 2030-12-31.')
  const ahead = end.getTime() - now.getTime()
  if (ahead <= 0 || ahead > mostDays * dayMs) throw new UsageError(`--expires must lie within the next ${mostDays} days.`)
  return end
}
