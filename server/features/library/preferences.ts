import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import type { Db } from '../../../db/client.ts'
import { userPreferences } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Invalid } from '../../kit/errors.ts'
import type { Preferences, SetPreferences } from './contract.ts'

const { keepWatchHistory, theme, audioLanguage, subtitleLanguage, showSubtitles, playNext } = userPreferences
const shown = { keepWatchHistory, theme, audioLanguage, subtitleLanguage, showSubtitles, playNext }
/** As the columns' own. */
const defaults: z.infer<typeof Preferences> = { keepWatchHistory: true, theme: 'system', audioLanguage: null, subtitleLanguage: null, showSubtitles: false, playNext: true }

export async function preferencesOf(db: Db, userId: string): Promise<z.infer<typeof Preferences>> {
  const [row] = await db.select(shown).from(userPreferences).where(eq(userPreferences.userId, userId))
  return row ?? defaults
}

/** Sets what is given, and leaves the rest. @throws Invalid when nothing is given */
export async function setPreferences({ db, actor }: Authed, given: z.infer<typeof SetPreferences>): Promise<z.infer<typeof Preferences>> {
  if (Object.keys(given).length === 0) throw new Invalid([{ path: '', message: 'must hold at least one field' }])
  const [row] = await db.insert(userPreferences).values({ userId: actor.userId, ...given }).onConflictDoUpdate({ target: userPreferences.userId, set: given }).returning(shown)
  return row ?? defaults
}
