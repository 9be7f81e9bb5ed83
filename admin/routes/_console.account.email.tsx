import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { demandFresh, orStepUp } from '../step-up.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { CodeSentAgain } from '../ui/code-sent-again.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { errorOf, TextField } from '../ui/field.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.secure', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'E-mail · torrent-streamer' }]

export async function loader({ context, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const done = searchParams.has('done')
  if (!done) demandFresh(context, request)
  const { email } = await context.api.users.me()
  return { email, done }
}

/** The flow and its address travel in the form; the code alone proves that the address is theirs. */
export async function action({ context }: ActionFunctionArgs) {
  const { api, form, attempt } = context
  const newEmail = form.get('newEmail') ?? ''
  const flowId = form.get('flowId')
  if (flowId === null) {
    const sent = await attempt(() => api.auth.changeEmail({ newEmail }))
    if (sent.ok) return data({ newEmail, flowId: sent.value.flowId, again: false, problem: null })
    return data({ newEmail, flowId: null, again: false, problem: orStepUp(sent.problem, '/account/email') }, sent.problem.status)
  }
  if (form.get('intent') === 'resend') {
    const resent = await attempt(() => api.auth.resendCode({ flowId }))
    return data({ newEmail, flowId, again: resent.ok, problem: resent.ok ? null : resent.problem }, resent.ok ? 200 : resent.problem.status)
  }
  const confirmed = await attempt(() => api.auth.confirmEmailChange({ flowId, code: (form.get('code') ?? '').replaceAll(/\s/g, '') }))
  return confirmed.ok ? redirect('/account/email?done') : data({ newEmail, flowId, again: false, problem: confirmed.problem }, confirmed.problem.status)
}

export default function Email() {
  const { email, done } = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  const problem = answer?.problem
  return (
    <Card
      title="E-mail"
      lead={
        <p>
          You sign in with <strong className="font-semibold text-ink">{email}</strong>, and our mails go there.
        </p>
      }
    >
      {problem && <Notice tone="bad" title={problem.errors ? 'Look at the marked fields.' : problem.detail} />}
      {done && !answer && <Notice tone="good" title="Your new address is in use from now on." />}
      {answer?.again && <CodeSentAgain />}
      {answer?.flowId ? (
        <ConfirmForms newEmail={answer.newEmail} flowId={answer.flowId} error={errorOf(problem, 'code')} />
      ) : (
        <Form method="post" action="/account/email" reloadDocument className="grid max-w-md gap-4">
          <Csrf />
          <TextField label="New address" name="newEmail" type="email" autoComplete="email" required maxLength={254} defaultValue={answer?.newEmail} error={errorOf(problem, 'newEmail')} hint="A code goes there. Nothing changes before you have typed it here." />
          <div>
            <Button type="submit" look="primary">
              Send the code
            </Button>
          </div>
        </Form>
      )}
      <PageScript />
    </Card>
  )
}

function ConfirmForms({ newEmail, flowId, error }: { newEmail: string; flowId: string; error: string | undefined }) {
  const hidden = (
    <>
      <Csrf />
      <input type="hidden" name="flowId" value={flowId} />
      <input type="hidden" name="newEmail" value={newEmail} />
    </>
  )
  return (
    <div className="grid max-w-md gap-4">
      <p className="text-sm">
        A mail with a code of 8 digits is on its way to <bdi className="font-semibold">{newEmail}</bdi>. It is good for a quarter of an hour.
      </p>
      <Form method="post" action="/account/email" reloadDocument className="grid gap-4">
        {hidden}
        <TextField label="Code" name="code" inputMode="numeric" autoComplete="one-time-code" required maxLength={12} autoFocus error={error} />
        <div>
          <Button type="submit" look="primary">
            Use the new address
          </Button>
        </div>
      </Form>
      <Form method="post" action="/account/email" reloadDocument>
        {hidden}
        <Button type="submit" look="quiet" name="intent" value="resend">
          Send another code
        </Button>
      </Form>
    </div>
  )
}
