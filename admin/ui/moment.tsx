import { useRouteLoaderData } from '@remix-run/react'
import type { loader as rootLoader } from '../root.tsx'
import { formatAgo, formatExact } from './format.ts'

/** A time as its distance, with the exact one (UTC) on hover. Counted from the server's clock, so that both renderings agree. */
export function Moment({ at }: { at: string }) {
  const root = useRouteLoaderData<typeof rootLoader>('root')
  return (
    <time dateTime={at} title={formatExact(at)} className="whitespace-nowrap">
      {formatAgo(at, root?.now ?? at)}
    </time>
  )
}
