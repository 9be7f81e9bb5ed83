import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { demandFresh, orStepUp } from '../step-up.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { errorOf, TextField } from '../ui/field.tsx'
import { NewPasswordField } from '../ui/new-password-field.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.secure', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Password · torrent-streamer' }]

export async function loader({ context, request }: LoaderFunctionArgs) {
  const done = new URL(request.url).searchParams.has('done')
  if (!done) demandFresh(context, request)
  const { email } = await context.api.users.me()
  return { email, done }
}

export async function action({ context }: ActionFunctionArgs) {
  const { api, form, attempt } = context
  const given = { currentPassword: form.get('currentPassword') ?? '', newPassword: form.get('newPassword') ?? '' }
  const outcome = await attempt(() => api.auth.changePassword(given))
  if (outcome.ok) return redirect('/account/password?done')
  return data({ problem: orStepUp(outcome.problem, '/account/password') }, outcome.problem.status)
}

export default function Password() {
  const { email, done } = useLoaderData<typeof loader>()
  const problem = useActionData<typeof action>()?.problem
  const wrong = problem?.code === 'current_password_wrong'
  return (
    <Card title="Password" lead={<p>Your other sessions end when it changes, and a mail tells you that it did.</p>}>
      {problem && <Notice tone="bad" title={problem.errors || wrong ? 'Look at the marked fields.' : problem.detail} />}
      {done && !problem && <Notice tone="good" title="Your password is changed. Everywhere else you are signed out." />}
      <Form method="post" action="/account/password" reloadDocument className="grid max-w-md gap-4">
        <Csrf />
        {/* for password managers, which otherwise ask whose password it is */}
        <input type="email" name="username" autoComplete="username" value={email} readOnly hidden />
        <TextField label="Current password" name="currentPassword" type="password" autoComplete="current-password" required maxLength={128} error={wrong ? 'is wrong' : errorOf(problem, 'currentPassword')} />
        <NewPasswordField error={errorOf(problem, 'newPassword')} />
        <div>
          <Button type="submit" look="primary">
            Change the password
          </Button>
        </div>
      </Form>
      <PageScript />
    </Card>
  )
}
