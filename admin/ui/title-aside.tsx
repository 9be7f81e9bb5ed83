import type { Api } from '../load-context.ts'
import type { Refused } from '../decide.ts'
import { isReason, reasonNames } from '../reasons.ts'
import { Category } from './category.tsx'
import { ApproveForm, RefuseForm } from './decision-forms.tsx'
import { Facts } from './facts.tsx'
import { formatBytes, formatNumber } from './format.ts'
import { Moment } from './moment.tsx'

type TitleDetails = Awaited<ReturnType<Api['moderation']['details']>>

/** What was decided about a title, and what can be. */
export function Decision({ title, refused }: { title: TitleDetails; refused: Refused | null }) {
  const { state, decidedAt, decisionReason, decisionNote } = title
  return (
    <section aria-labelledby="decision" className="grid gap-3 rounded-lg border border-line bg-surface p-4">
      <h2 id="decision" className="font-semibold">
        Decision
      </h2>
      {decidedAt ? (
        <div className="grid gap-1 text-sm">
          <p>
            {state === 'approved' ? 'Approved' : state === 'rejected' ? 'Rejected' : 'Taken down'} <Moment at={decidedAt} />
            {decisionReason && isReason(decisionReason) && `: ${reasonNames[decisionReason].toLowerCase()}`}.
          </p>
          {decisionNote && <p className="border-l-2 border-line pl-3 whitespace-pre-line text-faint">{decisionNote}</p>}
        </div>
      ) : (
        <p className="text-sm text-faint">Nothing decided yet. Watch it first: approving lets every viewer find and play it.</p>
      )}
      <div className="flex flex-wrap items-start gap-2">
        {state === 'pending' && <ApproveForm target={title} verified={title.verifiedAt !== null} />}
        {state === 'pending' && <RefuseForm intent="reject" target={title} refused={refused} />}
        {(state === 'approved' || state === 'rejected') && (
          <RefuseForm intent="takedown" target={title} refused={refused}>
            <p className="text-sm text-faint">Ends its streams within a second, deletes its data, and keeps it from coming back by any door.</p>
          </RefuseForm>
        )}
        {state === 'taken_down' && <p className="text-sm text-faint">A title that was taken down stays down: its info-hash is refused at every door.</p>}
      </div>
    </section>
  )
}

export function TitleFacts({ title }: { title: TitleDetails }) {
  const { category, language, licence, source, sourceUrl, infoHash, sizeBytes, seeders, leechers, createdAt, verifiedAt, trackers } = title
  return (
    <section aria-labelledby="facts" className="grid gap-3 rounded-lg border border-line bg-surface p-4">
      <h2 id="facts" className="font-semibold">
        About it
      </h2>
      <Facts
        facts={[
          ['Size', sizeBytes === null ? null : <span title={`${formatNumber(sizeBytes)} bytes`}>{formatBytes(sizeBytes)}</span>],
          ['Category', <Category key="category" id={category} />],
          ['Language', language],
          ['Licence', licence],
          ['Source', sourceUrl ? <a href={sourceUrl} rel="noreferrer noopener nofollow" className="text-accent underline underline-offset-4">{source}</a> : source],
          ['Offered', <Moment key="at" at={createdAt} />],
          ['Verified', verifiedAt ? <Moment key="at" at={verifiedAt} /> : 'not yet'],
          ['Swarm', seeders === null && leechers === null ? null : `${formatNumber(seeders ?? 0)} seeding, ${formatNumber(leechers ?? 0)} leeching, says its source`],
          ['Info-hash', <code key="hash" className="font-mono text-xs break-all">{infoHash}</code>],
          ['Trackers', trackers.length === 0 ? null : trackers.join(', ')],
        ]}
      />
    </section>
  )
}
