import type { keys } from '../../db/schema/index.ts'

export type KeyKind = (typeof keys.$inferSelect)['kind']
const day = 24 * 60

/**
 * Every kind of key: the age in days after which it is due, and for how many minutes after its retirement what it made still
 * counts, which is a little longer than any of it may live. Null: for as long as the key is there.
 */
export const keyKinds: Record<KeyKind, { about: string; dueAfterDays: number; countsForMinutes: number | null }> = {
  access_token: { about: 'signs access tokens', dueAfterDays: 90, countsForMinutes: 60 },
  playback_ticket: { about: 'authenticates playback links', dueAfterDays: 180, countsForMinutes: day + 60 },
  cursor: { about: 'authenticates cursors of lists', dueAfterDays: 180, countsForMinutes: day },
  csrf: { about: 'authenticates forms of the console', dueAfterDays: 180, countsForMinutes: 7 * day + 60 },
  column: { about: 'seals columns and waiting mails', dueAfterDays: 365, countsForMinutes: null },
  lookup: { about: 'finds e-mail addresses', dueAfterDays: 730, countsForMinutes: null },
}
export const operatorDueAfterDays = 365

/** A new key makes nothing before every node has read it; until then the one before it goes on. */
export const handoverMs = 5_000

/** Does the key still make new things? A retirement may lie ahead. */
export const isCurrent = ({ retiredAt }: { retiredAt: Date | null }, now: Date): boolean => retiredAt === null || retiredAt > now

/** Does what the key made still count? */
export function counts({ kind, retiredAt }: { kind: KeyKind; retiredAt: Date | null }, now: Date): boolean {
  const { countsForMinutes } = keyKinds[kind]
  return retiredAt === null || countsForMinutes === null || now.getTime() < retiredAt.getTime() + countsForMinutes * 60_000
}
