import type { AppLoadContext } from '@remix-run/node'
import type { Problem } from './load-context.ts'
import { isReason } from './reasons.ts'

const intents = ['approve', 'reject', 'takedown'] as const
export type Intent = (typeof intents)[number]

/** A decision that was not taken: why, and what the moderator had typed, so that nothing of it is lost. */
export type Refused = { intent: Intent; torrentId: string; title: string; problem: Problem; reason: string; note: string }
export type Done = { intent: Intent; torrentId: string }

const isIntent = (value: string | null): value is Intent => intents.some((intent) => intent === value)

/**
 * Takes the decision that a form asks for: `intent`, `torrentId`, and for a refusal `reason` and `note`; a takedown
 * also wants `confirm`. Null where the form asks for something else.
 */
export async function decide(context: AppLoadContext): Promise<{ done: Done } | { refused: Refused } | null> {
  const { api, form, attempt } = context
  const intent = form.get('intent')
  if (!isIntent(intent)) return null
  const torrentId = form.get('torrentId') ?? ''
  const reason = form.get('reason') ?? ''
  // browsers send line breaks as CRLF
  const note = (form.get('note') ?? '').replaceAll('\r\n', '\n').trim()
  const refused = async (problem: Problem) => {
    const found = await attempt(() => api.moderation.details({ torrentId }))
    return { refused: { intent, torrentId, title: found.ok ? found.value.title : 'This title', problem, reason, note } }
  }

  const given = { torrentId, ...(note ? { note } : {}) }
  if (intent === 'approve') {
    const outcome = await attempt(() => api.moderation.approve(given))
    return outcome.ok ? { done: { intent, torrentId } } : refused(outcome.problem)
  }
  if (!isReason(reason)) return refused(fieldProblem(context, 'reason', 'Choose why.'))
  if (intent === 'takedown' && form.get('confirm') !== 'yes') return refused(fieldProblem(context, 'confirm', 'Tick the box to confirm.'))
  const outcome = await attempt(() => (intent === 'reject' ? api.moderation.reject({ ...given, reason }) : api.moderation.takeDown({ ...given, reason })))
  return outcome.ok ? { done: { intent, torrentId } } : refused(outcome.problem)
}

function fieldProblem({ requestId }: AppLoadContext, path: string, message: string): Problem {
  return { title: 'Unprocessable Content', status: 422, detail: message, instance: requestId, code: 'validation_failed', errors: [{ path, message }] }
}

/** What was just decided, as the page's address says after the redirect. */
export async function readDone({ api, attempt }: AppLoadContext, search: URLSearchParams): Promise<{ intent: Intent; torrentId: string; title: string } | null> {
  const intent = search.get('done')
  const torrentId = search.get('title')
  if (!isIntent(intent) || torrentId === null) return null
  const found = await attempt(() => api.moderation.details({ torrentId }))
  return found.ok ? { intent, torrentId, title: found.value.title } : null
}
