import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, Link, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { demandFresh, orStepUp } from '../step-up.ts'
import { Button, buttonLook } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { formatExact } from '../ui/format.ts'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.export', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Your data · torrent-streamer' }]

export async function loader({ context, request }: LoaderFunctionArgs) {
  demandFresh(context, request)
  return { copy: await context.api.users.exportState() }
}

export async function action({ context }: ActionFunctionArgs) {
  const { api, form, session, attempt } = context
  if (form.get('intent') === 'export') {
    const asked = await attempt(() => api.users.requestExport())
    return asked.ok ? redirect('/account/data') : data({ of: 'export' as const, problem: orStepUp(asked.problem, '/account/data') }, asked.problem.status)
  }
  if (form.get('confirm') !== 'yes') return redirect('/account/data')
  const deleted = await attempt(() => api.users.delete())
  if (!deleted.ok) return data({ of: 'deletion' as const, problem: orStepUp(deleted.problem, '/account/data') }, deleted.problem.status)
  session.forget()
  return redirect(`/sign-in?erased=${deleted.value.eraseAfter.slice(0, 10)}`)
}

export default function YourData() {
  const refused = useActionData<typeof action>()
  return (
    <>
      <Copy problem={refused?.of === 'export' ? refused.problem : null} />
      <Deletion problem={refused?.of === 'deletion' ? refused.problem : null} />
      <PageScript />
    </>
  )
}

type Refused = { detail: string } | null

function Copy({ problem }: { problem: Refused }) {
  const { copy } = useLoaderData<typeof loader>()
  return (
    <Card title="A copy of your data" lead={<p>One JSON document with what is kept about you. It is made on demand, once a day, and can be fetched once.</p>}>
      {problem && <Notice tone="bad" title={problem.detail} />}
      {copy.state === 'preparing' && (
        <Notice tone="good" title="Your copy is being made.">
          <p>
            That takes a moment.{' '}
            <Link to="/account/data" className="underline underline-offset-4">
              Look again
            </Link>
          </p>
        </Notice>
      )}
      {copy.state === 'ready' && copy.link && copy.expiresAt && (
        <Notice tone="good" title="Your copy is ready.">
          <p>The link is good once, until {formatExact(copy.expiresAt)}, for whoever has it.</p>
          <p>
            <a href={copy.link} download="my-data.json" className={buttonLook('primary')}>
              Download the copy
            </a>
          </p>
        </Notice>
      )}
      {copy.state === 'fetched' && <p className="text-sm text-faint">The last copy was fetched.</p>}
      {copy.state === 'expired' && <p className="text-sm text-faint">The last copy was not fetched in time, and is gone.</p>}
      {copy.state !== 'preparing' && copy.state !== 'ready' && (
        <Form method="post" action="/account/data" reloadDocument>
          <Csrf />
          <Button type="submit" name="intent" value="export">
            Make a copy
          </Button>
        </Form>
      )}
    </Card>
  )
}

function Deletion({ problem }: { problem: Refused }) {
  return (
    <Card
      title="Delete the account"
      lead={
        <>
          <p>You are signed out everywhere at once. Then there is a time of grace: signing in before it ends keeps the account as it was.</p>
          <p>After it, what identifies you is erased for good, in backups that are restored as well. What you decided about titles stays, without your name.</p>
        </>
      }
    >
      {problem && <Notice tone="bad" title={problem.detail} />}
      <Form method="post" action="/account/data" reloadDocument className="grid gap-4">
        <Csrf />
        <label className="flex gap-2 text-sm">
          <input type="checkbox" name="confirm" value="yes" required className="mt-1 size-4 shrink-0" />
          <span>Yes, delete my account.</span>
        </label>
        <div>
          <Button type="submit" name="intent" value="delete" look="danger">
            Delete the account
          </Button>
        </div>
      </Form>
    </Card>
  )
}
