import type { AppLoadContext } from '@remix-run/node'
import type { Problem } from './load-context.ts'
import type { Preview } from './ui/player.tsx'

type Answer = { preview: Preview | null; problem: Problem | null }

/** A link for staff to one file of a title, as the form asks (`torrentId`, `fileIndex`). */
export async function startPreview({ api, form, attempt }: AppLoadContext): Promise<Answer> {
  const torrentId = form.get('torrentId') ?? ''
  const fileIndex = /^\d{1,7}$/.test(form.get('fileIndex') ?? '') ? Number(form.get('fileIndex')) : -1
  const outcome = await attempt(async () => {
    const { files } = await api.moderation.details({ torrentId })
    const { url, mimeType, playable } = await api.playback.preview({ torrentId, fileIndex })
    return { url, mimeType, playable, path: files.find(({ index }) => index === fileIndex)?.path ?? '' }
  })
  return outcome.ok ? { preview: outcome.value, problem: null } : { preview: null, problem: outcome.problem }
}
