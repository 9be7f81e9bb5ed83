import { redirect, type ActionFunctionArgs } from '@remix-run/node'
import type { RouteHandle } from '../load-context.ts'

export const handle = { permission: 'session.end' } satisfies RouteHandle

/** Signing out changes something, so a link cannot do it. */
export function loader() {
  return redirect('/')
}

export async function action({ context }: ActionFunctionArgs) {
  await context.session.signOut()
  return redirect('/sign-in?signed-out')
}
