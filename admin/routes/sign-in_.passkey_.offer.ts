import { redirect, type ActionFunctionArgs } from '@remix-run/node'
import type { RouteHandle } from '../load-context.ts'

export const handle = { permission: 'public' } satisfies RouteHandle

/** A challenge is made when somebody asks for one, not by a link. */
export function loader() {
  return redirect('/sign-in')
}

/** What the script of the sign-in page asks for, to offer passkeys where the e-mail is typed (admin/passkey-autofill.ts). */
export async function action({ context }: ActionFunctionArgs) {
  const { challengeId, options } = await context.session.offerPasskey()
  return Response.json({ challengeId, options })
}
