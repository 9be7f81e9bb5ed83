import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { useActionData } from '@remix-run/react'
import { isForm } from '../is-form.ts'
import type { RouteHandle } from '../load-context.ts'
import { leadingTo, returnTo } from '../return-to.ts'
import { isMethod, readAsked, saidOfProof } from '../second-factor.ts'
import { SecondFactorPage } from '../ui/second-factor-page.tsx'

// no script of the app runs where codes are typed
export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Second factor · torrent-streamer' }]

/** Only a sign-in leads here, and it brings its challenge along. */
export function loader({ context }: LoaderFunctionArgs) {
  return isForm(context) ? null : redirect('/sign-in')
}

export async function action({ context }: ActionFunctionArgs) {
  const { form, session, attempt } = context
  const next = returnTo(form.get('next'))
  const asked = readAsked(form)
  const method = form.get('method')
  if (!asked || !isMethod(method)) return redirect('/sign-in')
  const proof: Record<string, string> = method === 'passkey' ? { assertion: form.get('credential') ?? '' } : { code: (form.get('code') ?? '').trim() }
  const { challengeId } = asked
  const outcome = await attempt(() => session.verify({ challengeId, method, ...proof }))
  if (outcome.ok) return redirect(next)
  if (outcome.problem.code === 'challenge_ended') return redirect(leadingTo('/sign-in', next, { ended: '' }))
  return data({ asked, next, refused: saidOfProof(outcome.problem, method) }, outcome.problem.status)
}

export default function SecondFactor() {
  const answer = useActionData<typeof action>()
  return answer && <SecondFactorPage {...answer} />
}
