import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Link, useActionData, useFetcher, useLoaderData } from '@remix-run/react'
import { decide, readDone } from '../decide.ts'
import type { RouteHandle } from '../load-context.ts'
import { startPreview } from '../preview.ts'
import { DecisionNotice } from '../ui/decision-notice.tsx'
import { Files } from '../ui/files.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageHeader } from '../ui/page-header.tsx'
import { Player } from '../ui/player.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { Decision, TitleFacts } from '../ui/title-aside.tsx'
import { useFresh } from '../ui/use-fresh.ts'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'torrent.moderate' } satisfies RouteHandle

export const meta: MetaFunction<typeof loader> = ({ data }) => [{ title: `${data?.title.title ?? 'Title'} · torrent-streamer` }]

export async function loader({ context, params, request }: LoaderFunctionArgs) {
  const { searchParams } = new URL(request.url)
  const [title, done] = await Promise.all([context.api.moderation.details({ torrentId: params['id'] ?? '' }), readDone(context, searchParams)])
  return { title, done, allFiles: searchParams.get('files') === 'all' }
}

export async function action({ context }: ActionFunctionArgs) {
  const decision = await decide(context)
  if (!decision) return { kind: 'preview' as const, ...(await startPreview(context)) }
  if ('refused' in decision) return data({ kind: 'refused' as const, refused: decision.refused }, decision.refused.problem.status)
  const { intent, torrentId } = decision.done
  return redirect(`/titles/${torrentId}?${new URLSearchParams({ done: intent, title: torrentId }).toString()}`)
}

/** One title: what it is, what is in it, and what was or can be decided about it. */
export default function Title() {
  const { title, done, allFiles } = useLoaderData<typeof loader>()
  const acted = useActionData<typeof action>()
  const fetcher = useFetcher<typeof action>()
  // with scripts a preview comes through the fetcher, so that a reason half typed stays; without, as the form's answer
  const answer = fetcher.data?.kind === 'preview' ? fetcher.data : acted?.kind === 'preview' ? acted : null
  const refused = acted?.kind === 'refused' ? acted.refused : null
  useFresh(title.state === 'pending' && title.verifiedAt === null)
  return (
    <>
      <p className="mb-2 text-sm">
        <Link to={title.state === 'pending' ? '/' : `/titles?state=${title.state}`} className="inline-flex items-center gap-1.5 text-faint underline-offset-4 hover:text-ink hover:underline">
          <BackArrow />
          {title.state === 'pending' ? 'Queue' : 'Titles'}
        </Link>
      </p>
      <PageHeader title={<bdi>{title.title}</bdi>} lead={<StateBadge state={title.state} />} />
      <DecisionNotice done={done} refused={refused} onTitlePage />
      <div className="grid gap-x-8 gap-y-6 lg:grid-cols-[minmax(0,1fr)_22rem] lg:grid-rows-[auto_1fr] lg:items-start">
        <Decision title={title} refused={refused} />
        <div className="grid gap-6 lg:col-start-1 lg:row-span-2 lg:row-start-1">
          {answer?.problem && <Notice tone="bad" title={`No preview: ${answer.problem.detail}`} />}
          {answer?.preview && <Player preview={answer.preview} />}
          {title.description && <p dir="auto" className="max-w-prose whitespace-pre-line">{title.description}</p>}
          {title.verifiedAt === null ? (
            <Notice tone="warn" title="The file list is not known yet.">
              <p>It is being fetched from the swarm, and checked against the info-hash. Until then there is nothing to watch, and the title cannot be approved.</p>
            </Notice>
          ) : (
            <Files files={title.files} all={allFiles} torrentId={title.id} fetcher={fetcher} canPreview={title.state === 'pending' || title.state === 'approved'} />
          )}
        </div>
        <TitleFacts title={title} />
      </div>
    </>
  )
}

const BackArrow = () => (
  <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
    <path d="M13 8H3.5M7.5 3.5 3 8l4.5 4.5" />
  </svg>
)
