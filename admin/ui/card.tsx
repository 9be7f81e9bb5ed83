import { useId, type ReactNode } from 'react'

/** One matter of a page that holds several. */
export function Card({ title, lead, children }: { title: string; lead?: ReactNode; children?: ReactNode }) {
  const id = useId()
  return (
    <section aria-labelledby={id} className="grid content-start gap-4 rounded-lg border border-line bg-surface p-4 sm:p-6">
      <header className="grid gap-1">
        <h2 id={id} className="text-lg font-semibold tracking-tight">
          {title}
        </h2>
        {lead && <div className="grid max-w-prose gap-2 text-sm text-faint">{lead}</div>}
      </header>
      {children}
    </section>
  )
}
