import { data, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, Link, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { leadingTo, returnTo } from '../return-to.ts'
import { Button } from '../ui/button.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { Entrance } from '../ui/entrance.tsx'
import { errorOf, TextField } from '../ui/field.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { ResetPasswordPage } from '../ui/reset-password-page.tsx'

// no script of the app runs where passwords and codes are typed
export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Forgotten password · torrent-streamer' }]

export function loader({ request }: LoaderFunctionArgs) {
  return { next: returnTo(new URL(request.url).searchParams.get('next')) }
}

/** Mails a code. The address and the flow travel in the next form: in a URL they would stand in histories and logs. */
export async function action({ context }: ActionFunctionArgs) {
  const { api, form, attempt } = context
  const email = form.get('email') ?? ''
  const next = returnTo(form.get('next'))
  const begun = await attempt(() => api.auth.forgotPassword({ email }))
  if (begun.ok) return data({ email, next, flowId: begun.value.flowId, problem: null })
  return data({ email, next, flowId: null, problem: begun.problem }, begun.problem.status)
}

export default function ForgotPassword() {
  const loaded = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  if (answer?.flowId) return <ResetPasswordPage reset={answer} />
  const next = answer?.next ?? loaded.next
  const problem = answer?.problem
  return (
    <Entrance title="Forgotten your password?" lead="Type the address that you sign in with. A code goes there, and with it you choose a new password.">
      {problem && <Notice tone="bad" title={problem.errors ? 'Look at the marked fields.' : problem.detail} />}
      <Form method="post" action="/forgot-password" reloadDocument className="grid gap-4">
        <Csrf />
        <input type="hidden" name="next" value={next} />
        <TextField label="E-mail" name="email" type="email" autoComplete="username" required maxLength={254} autoFocus defaultValue={answer?.email} error={errorOf(problem, 'email')} />
        <Button type="submit" look="primary">
          Send the code
        </Button>
      </Form>
      <p className="border-t border-line pt-4 text-sm text-faint">
        <Link to={leadingTo('/sign-in', next)} className="underline underline-offset-4 hover:text-ink">
          Back to sign-in
        </Link>
      </p>
      <PageScript />
    </Entrance>
  )
}
