import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { returnTo } from '../return-to.ts'
import { orStepUp, stepUpPath } from '../step-up.ts'
import { Enrolment } from '../ui/enrolment.tsx'
import { AuthenticatorCard, PasskeysCard, RecoveryCodesCard } from '../ui/factor-cards.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.secure', hydrate: false, beforeEnrolment: true } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Security · torrent-streamer' }]

const path = '/account/security'
const did = {
  authenticator: 'Your authenticator app is set up.',
  passkey: 'Your passkey is added.',
  'totp-removed': 'Your authenticator app is removed. Everywhere else you are signed out.',
  'passkey-removed': 'That passkey is removed. Everywhere else you are signed out.',
} as const

export async function loader({ context, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const next = returnTo(searchParams.get('next'))
  const factors = await context.api.factors.state()
  const enrolling = context.actor?.lacksFactor === true
  // added elsewhere since this session began: it has to be proved here, not added again
  if (enrolling && (factors.totpConfirmedAt !== null || factors.passkeys.length > 0)) throw redirect(stepUpPath(next))
  const asked = searchParams.get('done')
  return { factors, next, enrolling, done: asked !== null && Object.hasOwn(did, asked) ? did[asked as keyof typeof did] : null }
}

export async function action({ context }: ActionFunctionArgs) {
  const { api, form, attempt } = context
  const passkeyId = form.get('passkeyId')
  const outcome = await attempt(() => (passkeyId === null ? api.factors.removeTotp() : api.factors.removePasskey({ passkeyId })))
  if (outcome.ok) return redirect(`${path}?done=${passkeyId === null ? 'totp' : 'passkey'}-removed`)
  return data({ problem: orStepUp(outcome.problem, path) }, outcome.problem.status)
}

export default function Security() {
  const { factors, next, enrolling, done } = useLoaderData<typeof loader>()
  const problem = useActionData<typeof action>()?.problem
  if (enrolling) return <Enrolment next={next} />
  return (
    <>
      {problem && <Notice tone="bad" title={problem.detail} />}
      {done && !problem && <Notice tone="good" title={done} />}
      <AuthenticatorCard confirmedAt={factors.totpConfirmedAt} />
      <PasskeysCard passkeys={factors.passkeys} />
      <RecoveryCodesCard left={factors.recoveryCodesLeft} useful={factors.totpConfirmedAt !== null || factors.passkeys.length > 0} />
      <PageScript />
    </>
  )
}
