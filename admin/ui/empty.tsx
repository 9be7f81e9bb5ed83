import type { ReactNode } from 'react'

/** What to do where there is nothing to see. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="grid justify-items-center gap-2 rounded-lg border border-dashed border-edge/60 px-6 py-14 text-center">
      <p className="text-lg font-medium">{title}</p>
      <div className="grid max-w-prose gap-2 text-faint text-balance">{children}</div>
    </div>
  )
}
