import { useRouteLoaderData } from '@remix-run/react'
import type { loader as rootLoader } from '../root.tsx'

/** The synchroniser token (control B4): in every form that posts. */
export function Csrf() {
  const root = useRouteLoaderData<typeof rootLoader>('root')
  return <input type="hidden" name="csrf" value={root?.csrfToken ?? ''} />
}
