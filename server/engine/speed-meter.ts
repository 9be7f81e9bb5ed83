/** Tenths of a second over which is averaged. */
const span = 50
const tickMs = 100

/**
 * Bytes per second over the last five seconds, as webtorrent's own meter gives it; with an argument, takes note of so many bytes
 * more. Theirs asks the clock through an array made for each answer: for each block, a twentieth of all work.
 */
export function speedMeter(now: () => number = () => performance.now()): (bytes?: number) => number {
  const ticks = new Float64Array(span)
  const began = Math.floor(now() / tickMs)
  let last = began
  let sum = 0
  return (bytes = 0) => {
    const tick = Math.floor(now() / tickMs)
    for (let passed = Math.max(last + 1, tick - span + 1); passed <= tick; passed += 1) {
      sum -= ticks[passed % span] ?? 0
      ticks[passed % span] = 0
    }
    last = tick
    ticks[tick % span] = (ticks[tick % span] ?? 0) + bytes
    sum += bytes
    return (sum * 1_000) / (tickMs * Math.min(span, Math.max(10, tick - began + 1)))
  }
}
