import { z } from 'zod'
import { Id, LanguageTag, page, paging, Time } from '../../kit/zod.ts'
import { TorrentSummary, WatchPoint } from '../catalogue/contract.ts'

export const FavoriteRef = z.strictObject({ torrentId: Id })
export const FavoritesQuery = z.strictObject(paging)

export const WatchedFileRef = z.strictObject({ torrentId: Id, fileIndex: z.int().min(0).max(1_000_000) })
/** A fortnight: longer than anything that is played in one go. */
const mostSeconds = 1_209_600
export const SetWatchPoint = z.strictObject({
  ...WatchedFileRef.shape,
  positionSeconds: z.number().min(0).max(mostSeconds).describe('Beyond the end it counts as the end.'),
  durationSeconds: z.number().positive().max(mostSeconds),
  watchedAt: Time.optional().describe('When it stood there, for what is told later; now, where it is absent. What is older than what is known changes nothing.'),
})
export const HistoryQuery = z.strictObject({ unfinished: z.boolean().default(false).describe('Only what can be continued.'), ...paging })
export const WatchedFile = z
  .object({ torrent: TorrentSummary, path: z.string(), ...WatchPoint.shape })
  .meta({ id: 'WatchedFile', description: 'A file that somebody has watched, with its title' })
export const WatchHistoryPage = z.object(page(WatchedFile)).meta({ id: 'WatchHistoryPage' })

export const Theme = z.enum(['system', 'light', 'dark']).meta({ id: 'Theme' })
const preferences = {
  keepWatchHistory: z.boolean().describe('Off: nothing is added to the watch history; what is in it stays until it is deleted.'),
  theme: Theme,
  audioLanguage: LanguageTag.nullable().describe('Preferred where a file has several; null for its first.'),
  subtitleLanguage: LanguageTag.nullable(),
  showSubtitles: z.boolean(),
  playNext: z.boolean().describe('Whether the next file of a title begins by itself.'),
}
export const Preferences = z.object(preferences).meta({ id: 'Preferences' })
/** What is absent stays as it is, so that an older app keeps what a newer one has set. */
export const SetPreferences = z.strictObject(preferences).partial().meta({ id: 'SetPreferences' })
