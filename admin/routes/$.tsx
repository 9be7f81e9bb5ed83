import { data, type MetaFunction } from '@remix-run/node'
import type { RouteHandle } from '../load-context.ts'

export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Nothing here · torrent-streamer' }]

/** Whatever no other route answers. */
export function loader(): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- Remix takes a thrown answer for the error page's data
  throw data(null, { status: 404 })
}

export default function Nothing() {
  return null
}
