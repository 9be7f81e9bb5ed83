import { useId, type ReactNode } from 'react'

type Props = { title: string; lead?: ReactNode; children?: ReactNode; level?: 'h1' | 'h2' }

/** One matter of a page that holds several; with `level` h1 the only one. */
export function Card({ title, lead, children, level: Heading = 'h2' }: Props) {
  const id = useId()
  return (
    <section aria-labelledby={id} className="grid content-start gap-4 rounded-lg border border-line bg-surface p-4 sm:p-6">
      <header className="grid gap-1">
        <Heading id={id} className="text-lg font-semibold tracking-tight">
          {title}
        </Heading>
        {lead && <div className="grid max-w-prose gap-2 text-sm text-faint">{lead}</div>}
      </header>
      {children}
    </section>
  )
}
