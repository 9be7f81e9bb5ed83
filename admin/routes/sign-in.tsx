import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData, useLoaderData } from '@remix-run/react'
import type { Problem, RouteHandle } from '../load-context.ts'
import { returnTo } from '../return-to.ts'
import { Button } from '../ui/button.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { Entrance } from '../ui/entrance.tsx'
import { errorOf, TextField } from '../ui/field.tsx'
import { Notice } from '../ui/notice.tsx'

// no script runs where passwords are typed
export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Sign in · torrent-streamer' }]

export function loader({ context, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const next = returnTo(searchParams.get('next'))
  // a form that was sent is answered first: someone may sign in anew
  if (context.actor && context.form.size === 0) throw redirect(next)
  return { next, signedOut: searchParams.has('signed-out'), asked: searchParams.has('next') }
}

export async function action({ context }: ActionFunctionArgs) {
  const { form, session, attempt } = context
  const next = returnTo(form.get('next'))
  const challengeId = form.get('challengeId')
  if (challengeId !== null) {
    const code = form.get('code') ?? ''
    const method = /^\d{3} ?\d{3}$/.test(code) ? 'totp' : 'recovery_code'
    const verified = await attempt(() => session.verify({ challengeId, method, code }))
    if (verified.ok) return redirect(next)
    const ended = verified.problem.code === 'challenge_ended'
    return data({ problem: verified.problem, email: '', next, challengeId: ended ? null : challengeId }, verified.problem.status)
  }
  const email = form.get('email') ?? ''
  const outcome = await attempt(() => session.signIn({ email, password: form.get('password') ?? '' }))
  if (!outcome.ok) return data({ problem: outcome.problem, email, next, challengeId: null }, outcome.problem.status)
  if (outcome.value) return data({ problem: null, email, next, challengeId: outcome.value.challengeId })
  return redirect(next)
}

export default function SignIn() {
  const { next, signedOut, asked } = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  if (answer?.challengeId) return <SecondFactor challengeId={answer.challengeId} next={answer.next} problem={answer.problem} />
  const refused = answer?.problem ? { problem: answer.problem, email: answer.email } : undefined
  return (
    <Entrance title="Sign in to the console" lead={asked && !refused ? 'Sign in to go on.' : 'For moderators and admins.'}>
      {refused && <Notice tone="bad" title={refused.problem.errors ? 'Look at the marked fields.' : refused.problem.detail} />}
      {signedOut && !refused && <Notice tone="good" title="You are signed out." />}
      <Form method="post" reloadDocument className="grid gap-4">
        <Csrf />
        <input type="hidden" name="next" value={next} />
        <TextField label="E-mail" name="email" type="email" autoComplete="username" required maxLength={254} autoFocus={!refused} defaultValue={refused?.email} error={errorOf(refused?.problem, 'email')} />
        <TextField label="Password" name="password" type="password" autoComplete="current-password" required maxLength={128} autoFocus={Boolean(refused)} error={errorOf(refused?.problem, 'password')} />
        <Button type="submit" look="primary">
          Sign in
        </Button>
      </Form>
    </Entrance>
  )
}

function SecondFactor({ challengeId, next, problem }: { challengeId: string; next: string; problem: Problem | null }) {
  return (
    <Entrance title="Second factor" lead="The code of your authenticator app, or a recovery code.">
      {problem && <Notice tone="bad" title={problem.detail} />}
      <Form method="post" reloadDocument className="grid gap-4">
        <Csrf />
        <input type="hidden" name="next" value={next} />
        <input type="hidden" name="challengeId" value={challengeId} />
        <TextField label="Code" name="code" autoComplete="one-time-code" required maxLength={40} autoFocus error={errorOf(problem ?? undefined, 'code')} />
        <Button type="submit" look="primary">
          Sign in
        </Button>
      </Form>
    </Entrance>
  )
}
