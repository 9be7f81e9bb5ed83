import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, Link, useActionData, useLoaderData } from '@remix-run/react'
import { isForm } from '../is-form.ts'
import type { RouteHandle } from '../load-context.ts'
import { leadingTo, returnTo } from '../return-to.ts'
import { Button } from '../ui/button.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { Entrance } from '../ui/entrance.tsx'
import { errorOf, TextField } from '../ui/field.tsx'
import { formatDay } from '../ui/format.ts'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { SecondFactorPage } from '../ui/second-factor-page.tsx'

// no script of the app runs where passwords are typed
export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Sign in · torrent-streamer' }]

export function loader({ context, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const next = returnTo(searchParams.get('next'))
  // a form that was sent is answered first: someone may sign in anew
  if (context.actor && !isForm(context)) throw redirect(next)
  const eraseAfter = searchParams.get('erased')
  return {
    next,
    signedOut: searchParams.has('signed-out'),
    ended: searchParams.has('ended'),
    reset: searchParams.has('reset'),
    eraseAfter: eraseAfter !== null && /^\d{4}-\d\d-\d\d$/.test(eraseAfter) ? eraseAfter : null,
    asked: searchParams.has('next'),
  }
}

export async function action({ context }: ActionFunctionArgs) {
  const { form, session, attempt } = context
  const email = form.get('email') ?? ''
  const next = returnTo(form.get('next'))
  const outcome = await attempt(() => session.signIn({ email, password: form.get('password') ?? '' }))
  if (!outcome.ok) return data({ problem: outcome.problem, email, next, mfa: null }, outcome.problem.status)
  if (outcome.value) return data({ problem: null, email, next, mfa: outcome.value })
  return redirect(next)
}

export default function SignIn() {
  const { next, signedOut, ended, reset, eraseAfter, asked } = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  if (answer?.mfa) return <SecondFactorPage asked={answer.mfa} next={answer.next} />
  const refused = answer?.problem ? { problem: answer.problem, email: answer.email } : null
  return (
    <Entrance title="Sign in to the console" lead={asked && !refused ? 'Sign in to go on.' : 'For moderators and admins.'}>
      {refused && <Notice tone="bad" title={refused.problem.errors ? 'Look at the marked fields.' : refused.problem.detail} />}
      {!refused && signedOut && <Notice tone="good" title="You are signed out." />}
      {!refused && ended && <Notice tone="warn" title="That took too long, or was tried too often. Sign in again." />}
      {!refused && reset && <Notice tone="good" title="Your password is changed. Sign in with the new one." />}
      {!refused && eraseAfter && (
        <Notice tone="good" title={`Your account will be erased on ${formatDay(eraseAfter)}.`}>
          <p>Sign in before that day if you want to keep it.</p>
        </Notice>
      )}
      <Form method="post" reloadDocument className="grid gap-4">
        <Csrf />
        <input type="hidden" name="next" value={next} />
        <TextField label="E-mail" name="email" type="email" autoComplete="username webauthn" required maxLength={254} autoFocus={!refused} defaultValue={refused?.email} error={errorOf(refused?.problem, 'email')} />
        <TextField label="Password" name="password" type="password" autoComplete="current-password" required maxLength={128} autoFocus={Boolean(refused)} error={errorOf(refused?.problem, 'password')} />
        <Button type="submit" look="primary">
          Sign in
        </Button>
        <p className="text-sm text-faint">
          <Link to={leadingTo('/forgot-password', next)} className="underline underline-offset-4 hover:text-ink">
            I have forgotten my password
          </Link>
        </p>
      </Form>
      <Form method="post" action="/sign-in/passkey" reloadDocument data-autofill="/sign-in/passkey/offer" className="grid border-t border-line pt-5">
        <Csrf />
        <input type="hidden" name="next" value={next} />
        <input type="hidden" name="challengeId" />
        <input type="hidden" name="credential" />
        <Button type="submit">Sign in with a passkey</Button>
      </Form>
      <PageScript />
    </Entrance>
  )
}
