import { useRouteLoaderData } from '@remix-run/react'
import type { loader as consoleLoader } from '../routes/_console.tsx'

/** A category by the name that people read. */
export function Category({ id }: { id: string }) {
  const frame = useRouteLoaderData<typeof consoleLoader>('routes/_console')
  return <>{frame?.categories.find((category) => category.id === id)?.label ?? id}</>
}
