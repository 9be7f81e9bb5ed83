/** So much may go at once before the pace holds: players fill their buffers quickly at the start and after a seek. */
const burstSeconds = 4

/**
 * Spreads bytes over time (the generic cell rate algorithm, ITU-T I.371). The function takes how many bytes are about to go and the
 * time in milliseconds, and says for how many milliseconds they have to wait.
 */
export function createPace(bytesPerSecond: number): (bytes: number, nowMs: number) => number {
  let due = Number.NEGATIVE_INFINITY
  return (bytes, nowMs) => {
    const waitMs = Math.max(0, due - burstSeconds * 1000 - nowMs)
    due = Math.max(due, nowMs) + (bytes / bytesPerSecond) * 1000
    return waitMs
  }
}
