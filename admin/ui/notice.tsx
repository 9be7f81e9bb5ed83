import type { ReactNode } from 'react'

const tones = {
  good: 'border-good/40 bg-good-soft text-good',
  warn: 'border-warn/40 bg-warn-soft text-warn',
  bad: 'border-bad/40 bg-bad-soft text-bad',
} as const

/** What just happened, or went wrong: read out when it appears. */
export function Notice({ tone, title, children }: { tone: keyof typeof tones; title: ReactNode; children?: ReactNode }) {
  return (
    <div role={tone === 'good' ? 'status' : 'alert'} className={`rounded-lg border px-4 py-3 ${tones[tone]}`}>
      <p className="font-medium">{title}</p>
      {children && <div className="mt-1 grid gap-2 text-sm text-ink">{children}</div>}
    </div>
  )
}
