type Span = { days?: number; hours?: number; minutes?: number; seconds?: number }

/** A clock for the overrides of startTestApp: it stands where it was set until it is moved. */
export function standingClock(start = new Date()) {
  let at = start
  return {
    now: () => at,
    later({ days = 0, hours = 0, minutes = 0, seconds = 0 }: Span): void {
      at = new Date(at.getTime() + (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000)
    },
    set(to: Date): void {
      at = to
    },
  }
}
