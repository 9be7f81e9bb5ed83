import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { MetaLine } from '../ui/meta-line.tsx'
import { Moment } from '../ui/moment.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { Pager } from '../ui/pager.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'session.read', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Sessions · torrent-streamer' }]

const did = { end: 'That session has ended.', 'end-others': 'All your other sessions have ended.' } as const
type Done = keyof typeof did

export async function loader({ context, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const { items, nextCursor } = await context.api.users.sessions({ cursor: searchParams.get('cursor') ?? undefined })
  const asked = searchParams.get('done')
  return { items, nextCursor, paged: searchParams.has('cursor'), done: asked !== null && Object.hasOwn(did, asked) ? did[asked as Done] : null }
}

export async function action({ context }: ActionFunctionArgs) {
  const { api, form, session, attempt } = context
  const intent = form.get('intent')
  const outcome = await attempt(async () => {
    if (intent === 'end-others') await api.users.endOtherSessions()
    else if (intent === 'everywhere') await api.auth.signOutEverywhere()
    else await api.users.revokeSession({ sessionId: form.get('sessionId') ?? '' })
  })
  // one that is gone already is what was wanted
  if (!outcome.ok && outcome.problem.status !== 404) return data({ problem: outcome.problem }, outcome.problem.status)
  if (intent !== 'everywhere') return redirect(`/account/sessions?done=${intent === 'end-others' ? intent : 'end'}`)
  session.forget()
  return redirect('/sign-in?signed-out')
}

export default function Sessions() {
  const { items, nextCursor, paged, done } = useLoaderData<typeof loader>()
  const problem = useActionData<typeof action>()?.problem
  const alone = !paged && nextCursor === null && items.length < 2
  return (
    <Card title="Sessions" lead={<p>Where you are signed in: browsers with the console, and apps. What you do not know, end, and then change your password.</p>}>
      {problem && <Notice tone="bad" title={problem.detail} />}
      {done && !problem && <Notice tone="good" title={done} />}
      <ul className="divide-y divide-line border-y border-line">
        {items.map(({ id, kind, current, deviceName, network, createdAt, lastSeenAt }) => {
          const what = deviceName ?? (kind === 'console' ? 'A browser' : 'An app')
          return (
            <li key={id} className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2 py-3">
              <div className="grid min-w-0 gap-0.5">
                <p className="font-medium">
                  <bdi>{what}</bdi>
                  {current && <span className="ml-2 inline-flex rounded-full bg-good-soft px-2.5 py-0.5 text-xs font-semibold text-good">This one</span>}
                </p>
                <MetaLine>
                  {kind === 'console' ? 'Console' : 'App'}
                  {network && `seen from ${network}`}
                  <span key="seen">
                    last seen <Moment at={lastSeenAt} />
                  </span>
                  <span key="since">
                    signed in <Moment at={createdAt} />
                  </span>
                </MetaLine>
              </div>
              {!current && (
                <Form method="post" action="/account/sessions" reloadDocument>
                  <Csrf />
                  <input type="hidden" name="sessionId" value={id} />
                  <Button type="submit" name="intent" value="end" aria-label={`End the session of ${what}`}>
                    End
                  </Button>
                </Form>
              )}
            </li>
          )
        })}
      </ul>
      <Pager nextCursor={nextCursor} next="Older ones" />
      <Form method="post" action="/account/sessions" reloadDocument className="flex flex-wrap gap-2">
        <Csrf />
        {!alone && (
          <Button type="submit" name="intent" value="end-others">
            End all others
          </Button>
        )}
        <Button type="submit" name="intent" value="everywhere" look="danger">
          Sign out everywhere, here too
        </Button>
      </Form>
      <PageScript />
    </Card>
  )
}
