import type { ReactNode } from 'react'

/** Another way, or a second thought: opens without scripts too. */
export function Folded({ title, children, open }: { title: ReactNode; children: ReactNode; open?: boolean }) {
  return (
    <details open={open}>
      <summary className="w-fit list-none text-sm text-accent underline underline-offset-4 hover:text-accent-strong [&::-webkit-details-marker]:hidden">{title}</summary>
      <div className="pt-4">{children}</div>
    </details>
  )
}
