/** When blocks are sent to peers: at a rate for all of them together, first come first served. */
export interface Uploads {
  /** Runs `send` when `bytes` are its turn. What it answers for may have gone by then: it looks again. */
  serve(bytes: number, send: () => void): void
}

/** At most this part of a second is sent at once. */
const burstSeconds = 0.25

/**
 * Paces blocks alone, never what the protocol says beside them: webtorrent's own throttle holds back requests to peers, and
 * with them the stream, behind what others are being sent. `bytesPerSecond` null: as fast as it goes.
 */
export function createUploads(bytesPerSecond: number | null): Uploads {
  if (bytesPerSecond === null) return { serve: (_bytes, send) => send() }
  const rate = bytesPerSecond
  const queue: { readonly bytes: number; readonly send: () => void }[] = []
  const most = rate * burstSeconds
  let [left, at] = [most, performance.now()]
  let timer: NodeJS.Timeout | null = null

  function run(): void {
    timer = null
    const now = performance.now()
    left = Math.min(most, left + ((now - at) / 1_000) * rate)
    at = now
    while (queue.length > 0 && left > 0) {
      const next = queue.shift()
      left -= next?.bytes ?? 0 // may go below zero: a block larger than the burst is sent too, and paid off
      next?.send()
    }
    if (queue.length > 0) timer = setTimeout(run, Math.ceil((-left / rate) * 1_000) + 1)
  }

  return {
    serve(bytes, send) {
      queue.push({ bytes, send })
      if (!timer) run()
    },
  }
}
