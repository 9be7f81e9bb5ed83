import { data, redirect, type ActionFunctionArgs, type AppLoadContext, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { useActionData, useLoaderData } from '@remix-run/react'
import type { Problem, RouteHandle } from '../load-context.ts'
import { returnTo } from '../return-to.ts'
import { orStepUp } from '../step-up.ts'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { errorOf } from '../ui/field.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { PasskeyForm } from '../ui/passkey-form.tsx'
import { PasskeyNameForm } from '../ui/passkey-name-form.tsx'
import { RecoveryCodes } from '../ui/recovery-codes.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.secure', hydrate: false, beforeEnrolment: true } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Passkey · torrent-streamer' }]

const path = '/account/security/passkey'

export function loader({ request }: LoaderFunctionArgs) {
  return { next: returnTo(new URL(request.url).searchParams.get('next')) }
}

type Answer = { next: string; name: string; challenge: { challengeId: string; options: string } | null; codes: string[] | null; problem: Problem | null }

/** Without a credential a passkey begins, by its name; with one it is added. */
export async function action({ context }: ActionFunctionArgs) {
  const { form } = context
  const given = { next: returnTo(form.get('next')), name: (form.get('name') ?? '').trim() }
  const attestation = form.get('credential')
  return attestation ? finish(context, given, attestation) : begin(context, given)
}

async function begin({ api, attempt }: AppLoadContext, given: { next: string; name: string }) {
  const begun = await attempt(() => api.factors.beginPasskey())
  if (begun.ok) return data<Answer>({ ...given, challenge: begun.value, codes: null, problem: null })
  return data<Answer>({ ...given, challenge: null, codes: null, problem: orStepUp(begun.problem, `${path}?${new URLSearchParams({ next: given.next }).toString()}`) }, begun.problem.status)
}

async function finish({ api, form, attempt }: AppLoadContext, given: { next: string; name: string }, attestation: string) {
  const added = await attempt(() => api.factors.finishPasskey({ challengeId: form.get('challengeId') ?? '', name: given.name, attestation }))
  if (!added.ok) return data<Answer>({ ...given, challenge: null, codes: null, problem: added.problem }, added.problem.status)
  const { recoveryCodes } = added.value
  if (recoveryCodes.length > 0) return data<Answer>({ ...given, challenge: null, codes: recoveryCodes, problem: null })
  return redirect(given.next === '/account/security' ? `${given.next}?done=passkey` : given.next)
}

export default function AddPasskey() {
  const { next } = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  if (answer?.codes) return <RecoveryCodes codes={answer.codes} next={answer.next} />
  if (answer?.challenge) {
    return (
      <Card
        title="Make the passkey"
        lead={
          <p>
            Your browser asks where to keep <bdi className="font-semibold text-ink">{answer.name}</bdi>: on this device, on your phone or on a security key.
          </p>
        }
      >
        <PasskeyForm kind="create" action={path} options={answer.challenge.options} start button="Make the passkey">
          <Csrf />
          {Object.entries({ next: answer.next, name: answer.name, challengeId: answer.challenge.challengeId }).map(([name, value]) => (
            <input key={name} type="hidden" name={name} value={value} />
          ))}
        </PasskeyForm>
        <PageScript />
      </Card>
    )
  }
  return (
    <Card title="Add a passkey" lead={<p>Give it a name by which you will know it again.</p>}>
      {answer?.problem && <Notice tone="bad" title={answer.problem.errors ? 'Look at the marked fields.' : answer.problem.detail} />}
      <PasskeyNameForm next={answer?.next ?? next} error={errorOf(answer?.problem, 'name')} />
      <PageScript />
    </Card>
  )
}
