import { data, redirect, type ActionFunctionArgs, type AppLoadContext, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, Link, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { returnTo } from '../return-to.ts'
import { saidOfProof } from '../second-factor.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { TextField } from '../ui/field.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { PasskeyForm } from '../ui/passkey-form.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.secure', hydrate: false, beforeEnrolment: true } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Is it you? · torrent-streamer' }]

const path = '/account/step-up'

export async function loader({ context, request }: LoaderFunctionArgs) {
  const [{ email }, { totpConfirmedAt, recoveryCodesLeft, passkeys }] = await Promise.all([context.api.users.me(), context.api.factors.state()])
  const factors = { totp: totpConfirmedAt !== null, passkey: passkeys.length > 0 }
  return { next: returnTo(new URL(request.url).searchParams.get('next')), email, ...factors, recoveryCode: (factors.totp || factors.passkey) && recoveryCodesLeft > 0 }
}

/** A proof (control A10), then back to where it was asked for. A passkey takes two rounds: its challenge, and its answer. */
export async function action({ context }: ActionFunctionArgs) {
  const { form, api, attempt } = context
  const next = returnTo(form.get('next'))
  if (form.get('intent') === 'passkey') {
    const begun = await attempt(() => api.factors.beginStepUp({ method: 'passkey' }))
    if (begun.ok) return data({ next, challenge: begun.value, refused: null })
    return data({ next, challenge: null, refused: begun.problem.detail }, begun.problem.status)
  }
  const assertion = form.get('credential')
  const proved = assertion ? await attempt(() => api.factors.finishStepUp({ challengeId: form.get('challengeId') ?? '', assertion })) : await proveByPassword(context)
  if (proved.ok) return redirect(next)
  const { problem } = proved
  const wrong = problem.code === 'proof_invalid' || problem.code === 'validation_failed'
  const said = assertion ? saidOfProof(problem, 'passkey') : wrong ? 'The password or the code is wrong, or the code was used already.' : problem.detail
  return data({ next, challenge: null, refused: said }, problem.status)
}

function proveByPassword({ form, api, attempt }: AppLoadContext) {
  const code = (form.get('code') ?? '').trim()
  const method = code === '' ? 'password' : /^\d{3} ?\d{3}$/.test(code) ? 'totp' : 'recovery_code'
  return attempt(async () => {
    const { challengeId } = await api.factors.beginStepUp({ method })
    return api.factors.finishStepUp({ challengeId, password: form.get('password') ?? '', ...(code === '' ? {} : { code }) })
  })
}

export default function StepUp() {
  const loaded = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  const next = answer?.next ?? loaded.next
  const { email, totp, passkey, recoveryCode } = loaded
  const challenge = answer?.challenge
  return (
    <div className="mx-auto max-w-md">
      <Card level="h1" title="Is it you?" lead={<p>What you are about to do needs a proof that is a few minutes old at most. Then you come back to where you were.</p>}>
        {answer?.refused && <Notice tone="bad" title={answer.refused} />}
        {challenge?.passkeyOptions ? (
          <PasskeyForm kind="get" action={path} options={challenge.passkeyOptions} start button="Use your passkey">
            <Csrf />
            <input type="hidden" name="next" value={next} />
            <input type="hidden" name="challengeId" value={challenge.challengeId} />
          </PasskeyForm>
        ) : (
          passkey && (
            <Form method="post" action={path} reloadDocument className="grid">
              <Csrf />
              <input type="hidden" name="next" value={next} />
              <Button type="submit" name="intent" value="passkey" look={totp ? 'plain' : 'primary'}>
                Use a passkey
              </Button>
            </Form>
          )
        )}
        {(totp || recoveryCode || !passkey) && (
          <Form method="post" action={path} reloadDocument className={`grid gap-4 ${passkey ? 'border-t border-line pt-5' : ''}`}>
            <Csrf />
            <input type="hidden" name="next" value={next} />
            <input type="email" name="username" autoComplete="username" value={email} readOnly hidden />
            <TextField label="Password" name="password" type="password" autoComplete="current-password" required maxLength={128} autoFocus={!passkey} />
            {(totp || recoveryCode) && (
              <TextField
                label="Code"
                name="code"
                autoComplete="one-time-code"
                required
                maxLength={40}
                hint={totp ? 'Of your authenticator app, or a recovery code. One that you signed in with is used up: wait for the next.' : 'One of your recovery codes. Each is good once.'}
              />
            )}
            <Button type="submit" look={totp || !passkey ? 'primary' : 'plain'}>
              Go on
            </Button>
          </Form>
        )}
        <p className="text-sm text-faint">
          <Link to="/account/security" className="underline underline-offset-4 hover:text-ink">
            Rather not
          </Link>
        </p>
        <PageScript />
      </Card>
    </div>
  )
}
