import type { LoaderFunctionArgs, MetaFunction } from '@remix-run/node'
import { Link, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { Category } from '../ui/category.tsx'
import { Empty } from '../ui/empty.tsx'
import { formatBytes } from '../ui/format.ts'
import { MetaLine } from '../ui/meta-line.tsx'
import { Moment } from '../ui/moment.tsx'
import { PageHeader } from '../ui/page-header.tsx'
import { Pager } from '../ui/pager.tsx'
import { StateBadge, stateNames, type TitleState } from '../ui/state-badge.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'torrent.moderate' } satisfies RouteHandle

export const meta: MetaFunction<typeof loader> = ({ data }) => [{ title: `${data ? stateNames[data.state] : 'Titles'} · torrent-streamer` }]

const states = Object.keys(stateNames) as TitleState[]

export async function loader({ context, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const asked = searchParams.get('state')
  const state = states.find((name) => name === asked) ?? 'approved'
  const { items, nextCursor } = await context.api.moderation.list({ state, cursor: searchParams.get('cursor') ?? undefined })
  return { state, items, nextCursor }
}

const empty: Record<TitleState, string> = {
  pending: 'Nothing waits for a decision. New titles come in through the ingest API.',
  approved: 'Approve titles in the queue, and viewers find them here and in their apps.',
  rejected: 'Titles that were refused in the queue are listed here.',
  taken_down: 'Titles that were taken down, and cannot come back, are listed here.',
}

/** All titles, by state. */
export default function Titles() {
  const { state, items, nextCursor } = useLoaderData<typeof loader>()
  return (
    <>
      <PageHeader title="Titles">
        <nav aria-label="States" className="grid w-full grid-cols-2 gap-1 rounded-lg bg-sunken p-1 text-center sm:flex sm:w-auto">
          {states.map((name) => (
            <Link
              key={name}
              to={`?state=${name}`}
              aria-current={name === state ? 'page' : undefined}
              className={`rounded-md px-3 py-1.5 text-sm font-medium transition-colors ${name === state ? 'bg-surface text-ink shadow-sm' : 'text-faint hover:text-ink'}`}
            >
              {stateNames[name]}
            </Link>
          ))}
        </nav>
      </PageHeader>
      {items.length === 0 ? (
        <Empty title={`No ${stateNames[state].toLowerCase()} titles`}>
          <p>{empty[state]}</p>
        </Empty>
      ) : (
        <ul className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface">
          {items.map((item) => (
            <li key={item.id} className="grid gap-x-6 gap-y-1 px-4 py-3 sm:grid-cols-[1fr_auto] sm:items-center sm:px-5">
              <div className="grid min-w-0 gap-0.5">
                <Link to={`/titles/${item.id}`} className="font-semibold text-ink underline-offset-4 hover:text-accent hover:underline">
                  <bdi>{item.title}</bdi>
                </Link>
                <MetaLine>
                  <Category key="category" id={item.category} />
                  {item.sizeBytes !== null && formatBytes(item.sizeBytes)}
                  {item.licence}
                  {`from ${item.source}`}
                </MetaLine>
              </div>
              <p className="flex items-center gap-3 text-sm text-faint">
                <Moment at={item.decidedAt ?? item.createdAt} />
                <StateBadge state={item.state} />
              </p>
            </li>
          ))}
        </ul>
      )}
      <Pager nextCursor={nextCursor} next="Next page" />
    </>
  )
}
