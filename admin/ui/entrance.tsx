import type { ReactNode } from 'react'
import { Brand } from './brand.tsx'

/** The frame of the pages before sign-in. */
export function Entrance({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  return (
    <main className="mx-auto grid min-h-dvh w-full max-w-md content-start gap-6 px-4 pt-[12vh] pb-16">
      <Brand />
      <div className="grid gap-5 rounded-lg border border-line bg-surface p-5 sm:p-7">
        <header className="grid gap-1.5">
          <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
          {lead && <p className="text-sm text-faint">{lead}</p>}
        </header>
        {children}
      </div>
    </main>
  )
}
