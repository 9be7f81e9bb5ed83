import type { LoaderFunctionArgs, MetaFunction } from '@remix-run/node'
import { Links, Meta, Outlet, ScrollRestoration, useMatches } from '@remix-run/react'
import { useContext, type ReactNode } from 'react'
import type { RouteHandle } from './load-context.ts'
import stylesheet from './styles.css?url'
import icon from './ui/icon.svg?url'
import { PageFrame } from './ui/page-frame.tsx'
import { PageScripts } from './ui/page-scripts.tsx'
import { ProblemPage } from './ui/problem-page.tsx'

export const handle = { permission: 'public' } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'torrent-streamer' }]

/** What every page needs, and nothing that could fail: the error page stands on it too. */
export function loader({ context }: LoaderFunctionArgs) {
  return { csrfToken: context.csrfToken, now: context.now.toISOString(), requestId: context.requestId }
}

export function Layout({ children }: { children: ReactNode }) {
  const { nonce, integrity } = useContext(PageFrame)
  const hydrate = useMatches().every(({ handle: given }) => (given as RouteHandle | undefined)?.hydrate !== false)
  return (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <Meta />
        {/* an import map's integrity covers modules that modules import, which attributes cannot reach */}
        {hydrate && (
          // eslint-disable-next-line house/no-raw-html -- JSON of file names and hashes that the server made itself; as text React would escape its quotes
          <script type="importmap" nonce={nonce} suppressHydrationWarning dangerouslySetInnerHTML={{ __html: JSON.stringify({ integrity }) }} />
        )}
        <link rel="icon" href={icon} type="image/svg+xml" />
        <link rel="stylesheet" href={stylesheet} integrity={integrity[stylesheet]} />
        <Links />
      </head>
      <body className="min-h-dvh bg-canvas font-sans text-ink antialiased">
        {children}
        {hydrate && <ScrollRestoration nonce={nonce} />}
        {hydrate && <PageScripts nonce={nonce} integrity={integrity} />}
      </body>
    </html>
  )
}

export default function Root() {
  return <Outlet />
}

export function ErrorBoundary() {
  return (
    <main className="mx-auto max-w-2xl px-4 py-16">
      <ProblemPage />
    </main>
  )
}
