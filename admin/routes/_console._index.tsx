import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Link, useActionData, useLoaderData } from '@remix-run/react'
import { decide, readDone } from '../decide.ts'
import type { RouteHandle } from '../load-context.ts'
import { Category } from '../ui/category.tsx'
import { ApproveForm, RefuseForm } from '../ui/decision-forms.tsx'
import { DecisionNotice } from '../ui/decision-notice.tsx'
import { Empty } from '../ui/empty.tsx'
import { formatBytes } from '../ui/format.ts'
import { MetaLine } from '../ui/meta-line.tsx'
import { Moment } from '../ui/moment.tsx'
import { PageHeader } from '../ui/page-header.tsx'
import { Pager } from '../ui/pager.tsx'
import { useFresh } from '../ui/use-fresh.ts'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'torrent.moderate' } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Queue · torrent-streamer' }]

export async function loader({ context, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const cursor = searchParams.get('cursor') ?? undefined
  const [{ items, nextCursor }, done] = await Promise.all([context.api.moderation.list({ state: 'pending', cursor }), readDone(context, searchParams)])
  return { items, nextCursor, done }
}

export async function action({ context, request }: ActionFunctionArgs) {
  const decision = await decide(context)
  if (!decision) return redirect('/')
  if ('refused' in decision) return data(decision.refused, decision.refused.problem.status)
  const search = new URLSearchParams({ done: decision.done.intent, title: decision.done.torrentId })
  const cursor = new URL(request.url).searchParams.get('cursor')
  if (cursor) search.set('cursor', cursor)
  return redirect(`/?${search.toString()}`)
}

/** Titles that wait for a decision, the longest waiting first. */
export default function Queue() {
  const { items, nextCursor, done } = useLoaderData<typeof loader>()
  const refused = useActionData<typeof action>() ?? null
  const checking = items.some(({ verifiedAt }) => verifiedAt === null)
  useFresh(checking)
  return (
    <>
      <PageHeader title="Queue" lead={items.length > 0 && <p className="max-w-prose">The longest waiting first.{checking && ' A title can be approved once its file list has come from the swarm and fits its info-hash.'}</p>} />
      <DecisionNotice done={done} refused={refused} />
      {items.length === 0 ? (
        <Empty title="Nothing waits for you">
          <p>Every title has been decided. New ones come in through the ingest API, with an API key:</p>
          <p>
            <code className="rounded bg-sunken px-2 py-1 font-mono text-sm">npm run admin -- create-api-key --scope ingest:write</code>
          </p>
        </Empty>
      ) : (
        <ul className="divide-y divide-line rounded-lg border border-line bg-surface">
          {items.map((item) => (
            <li key={item.id}>
              <article aria-labelledby={`t-${item.id}`} className="grid gap-x-6 gap-y-3 px-4 py-3.5 sm:px-5 sm:grid-cols-[1fr_auto]">
                <div className="grid min-w-0 content-start gap-0.5">
                  <h2 id={`t-${item.id}`} className="font-semibold">
                    <Link to={`/titles/${item.id}`} className="text-ink underline-offset-4 hover:text-accent hover:underline">
                      <bdi>{item.title}</bdi>
                    </Link>
                  </h2>
                  <MetaLine>
                    <Category key="category" id={item.category} />
                    {item.sizeBytes !== null && formatBytes(item.sizeBytes)}
                    {item.licence}
                    {item.language}
                    {`from ${item.source}`}
                    <Moment at={item.createdAt} />
                  </MetaLine>
                </div>
                <div className="flex flex-wrap items-start gap-2 sm:justify-end">
                  <ApproveForm target={item} verified={item.verifiedAt !== null} />
                  <RefuseForm intent="reject" target={item} refused={refused} floating />
                </div>
              </article>
            </li>
          ))}
        </ul>
      )}
      <Pager nextCursor={nextCursor} next="Next page" />
    </>
  )
}
