import { Link } from '@remix-run/react'
import { useEffect, useRef } from 'react'
import type { Intent, Refused } from '../decide.ts'
import { reasonNames, isReason } from '../reasons.ts'
import { Notice } from './notice.tsx'
import { Quoted } from './quoted.tsx'

const did: Record<Intent, string> = { approve: 'Approved', reject: 'Rejected', takedown: 'Taken down' }

type Props = { done: { intent: Intent; torrentId: string; title: string } | null; refused: Refused | null; onTitlePage?: boolean }

/** Says what was decided, or why not. Takes the focus, since the form that had it may be gone. */
export function DecisionNotice({ done, refused, onTitlePage = false }: Props) {
  const place = useRef<HTMLDivElement>(null)
  const key = refused ? `${refused.torrentId}${refused.problem.instance}` : done && `${done.torrentId}${done.intent}`
  useEffect(() => {
    if (key) place.current?.focus()
  }, [key])
  if (!key) return null
  return (
    <div ref={place} tabIndex={-1} className="mb-5">
      {refused && <RefusedNotice refused={refused} />}
      {!refused && done && <Notice tone="good" title={onTitlePage ? <>{did[done.intent]}. <QueueLink /></> : <>{did[done.intent]} <TitleLink id={done.torrentId} title={done.title} />.</>} />}
    </div>
  )
}

function RefusedNotice({ refused: { torrentId, title, problem, reason, note } }: { refused: Refused }) {
  const link = <TitleLink id={torrentId} title={title} />
  if (problem.status !== 409) return <Notice tone="bad" title={<>Nothing was decided about {link}: {problem.detail}</>} />
  return (
    <Notice tone="warn" title={<>Your decision about {link} was not taken. {problem.detail}</>}>
      {problem.code === 'conflict' && <p>Someone else decided while you were looking. What you wrote is kept here in case it still matters:</p>}
      {(reason || note) && (
        <blockquote className="border-l-2 border-warn/50 pl-3">
          {isReason(reason) && <p className="font-medium">{reasonNames[reason]}</p>}
          {note && <p className="whitespace-pre-line">{note}</p>}
        </blockquote>
      )}
    </Notice>
  )
}

const QueueLink = () => (
  <Link to="/" className="underline underline-offset-4">
    Go on with the queue
  </Link>
)

const TitleLink = ({ id, title }: { id: string; title: string }) => (
  <Link to={`/titles/${id}`} className="underline underline-offset-4">
    <Quoted>{title}</Quoted>
  </Link>
)
