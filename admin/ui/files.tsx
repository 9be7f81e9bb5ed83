import type { FetcherWithComponents } from '@remix-run/react'
import { Button } from './button.tsx'
import { Csrf } from './csrf.tsx'
import { formatBytes, formatCount, formatDuration, formatNumber } from './format.ts'
import { PlayableBadge, type Playable } from './playable-badge.tsx'

export type TitleFile = { index: number; path: string; sizeBytes: number; mimeType: string; playable: Playable; durationSeconds: number | null }

const shownAtFirst = 200

type Props = { files: TitleFile[]; all: boolean; torrentId: string; fetcher: FetcherWithComponents<unknown>; canPreview: boolean }

/** The files of a title; what can be played can be previewed, before approval too. */
export function Files({ files, all, torrentId, fetcher: { Form, formData, state }, canPreview }: Props) {
  const shown = all ? files : files.slice(0, shownAtFirst)
  return (
    <section aria-labelledby="files" className="grid gap-2">
      <h2 id="files" className="text-lg font-semibold tracking-tight">
        {formatCount(files.length, 'file')}
      </h2>
      <ul className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface">
        {shown.map((file) => {
          const pending = state !== 'idle' && formData?.get('fileIndex') === String(file.index)
          return (
            <li key={file.index} className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2">
              <div className="min-w-0 flex-1 basis-56">
                <p className="text-sm">
                  <bdi>{file.path}</bdi>
                </p>
                <p className="text-sm text-faint" title={`${formatNumber(file.sizeBytes)} bytes`}>
                  {[formatBytes(file.sizeBytes), file.mimeType, ...(file.durationSeconds === null ? [] : [formatDuration(file.durationSeconds)])].join(' · ')}
                </p>
              </div>
              <PlayableBadge playable={file.playable} mimeType={file.mimeType} />
              {file.playable !== 'no' && canPreview && (
                <Form method="post">
                  <Csrf />
                  <input type="hidden" name="torrentId" value={torrentId} />
                  <input type="hidden" name="fileIndex" value={file.index} />
                  <Button type="submit" name="intent" value="preview" pending={pending} pendingText="Opening…" aria-label={`${file.playable === 'direct' ? 'Watch' : 'Get a link to'} ${file.path}`}>
                    {file.playable === 'direct' ? 'Watch' : 'Get a link'}
                  </Button>
                </Form>
              )}
            </li>
          )
        })}
      </ul>
      {shown.length < files.length && (
        <p className="text-sm">
          <a href="?files=all" className="text-accent underline underline-offset-4">
            Show all {formatNumber(files.length)} files
          </a>
        </p>
      )}
    </section>
  )
}
