import { useEffect, useRef, useState } from 'react'
import type { Playable } from './playable-badge.tsx'

export type Preview = { url: string; path: string; mimeType: string; playable: Playable }

/** Plays a preview, and offers its link to other players: the link is all that they need, so it is shown only when asked for. */
export function Player({ preview: { url, path, mimeType, playable } }: { preview: Preview }) {
  const video = useRef<HTMLVideoElement>(null)
  const [failed, setFailed] = useState(false)
  useEffect(() => {
    setFailed(false)
    video.current?.focus()
  }, [url])
  return (
    <section aria-label={`Preview of ${path}`} className="grid gap-2">
      {playable === 'direct' &&
        (mimeType.startsWith('audio/') ? (
          <audio key={url} controls autoPlay preload="metadata" src={sameOrigin(url)} onError={() => setFailed(true)} className="w-full" />
        ) : (
          <video key={url} ref={video} controls playsInline preload="metadata" src={sameOrigin(url)} onError={() => setFailed(true)} className="aspect-video w-full rounded-lg bg-black" />
        ))}
      {failed && (
        <p role="alert" className="text-sm font-medium text-bad">
          This file does not play here: its bytes do not come from the swarm, or the browser does not know what is in it. Try again later, or in another player.
        </p>
      )}
      <details open={playable !== 'direct'}>
        <summary className="w-fit list-none text-sm text-accent underline underline-offset-4">Open in another player</summary>
        <label className="mt-2 grid gap-1 text-sm text-faint">
          Give this link to mpv or VLC. Whoever has it can watch until it ends, so keep it to yourself.
          <input readOnly value={url} className="w-full rounded-md border border-edge bg-surface px-3 py-1.5 font-mono text-xs text-ink" />
        </label>
      </details>
    </section>
  )
}

/** The page may have been opened by another name of this server, such as 127.0.0.1; its policy plays only from its own. */
function sameOrigin(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
