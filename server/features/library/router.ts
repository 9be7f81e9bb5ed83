import { z } from 'zod'
import { can, rest, router } from '../../kit/procedure.ts'
import { Nothing } from '../../kit/zod.ts'
import { TorrentPage } from '../catalogue/contract.ts'
import { FavoriteRef, FavoritesQuery, HistoryQuery, Preferences, SetWatchPoint, SetPreferences, WatchedFileRef, WatchHistoryPage } from './contract.ts'
import { addFavorite, listFavorites, removeFavorite } from './favorites.ts'
import { deleteHistory, removeWatched, setWatchPoint, watchHistoryOf } from './history.ts'
import { preferencesOf, setPreferences } from './preferences.ts'

export const libraryRouter = router({
  favorites: can('library.use').meta(rest('GET /users/me/favorites', 'listFavorites', 'Library', 'Favourite titles, the last added first'))
    .input(FavoritesQuery).output(TorrentPage)
    .query(({ ctx, input }) => listFavorites(ctx, input)),
  addFavorite: can('library.use').meta(rest('PUT /users/me/favorites/{torrentId}', 'addFavorite', 'Library', 'Mark a title as favourite', 204))
    .input(FavoriteRef).output(z.void())
    .mutation(({ ctx, input }) => addFavorite(ctx, input)),
  removeFavorite: can('library.use').meta(rest('DELETE /users/me/favorites/{torrentId}', 'removeFavorite', 'Library', 'Take the mark off again', 204))
    .input(FavoriteRef).output(z.void())
    .mutation(({ ctx, input }) => removeFavorite(ctx, input)),
  history: can('library.use').meta(rest('GET /users/me/watch-history', 'listWatchHistory', 'Library', 'Watched files, the last first; what can be continued with unfinished=true'))
    .input(HistoryQuery).output(WatchHistoryPage)
    .query(({ ctx, input }) => watchHistoryOf(ctx, input)),
  setWatchPoint: can('library.use').meta(rest('PUT /users/me/watch-history/{torrentId}/files/{fileIndex}', 'setWatchPoint', 'Library', 'Keep how far a file was watched', 204))
    .input(SetWatchPoint).output(z.void())
    .mutation(({ ctx, input }) => setWatchPoint(ctx, input)),
  removeWatched: can('library.use').meta(rest('DELETE /users/me/watch-history/{torrentId}/files/{fileIndex}', 'removeWatchedFile', 'Library', 'Take one file out of the watch history', 204))
    .input(WatchedFileRef).output(z.void())
    .mutation(({ ctx, input }) => removeWatched(ctx, input)),
  deleteHistory: can('library.use').meta(rest('DELETE /users/me/watch-history', 'deleteWatchHistory', 'Library', 'Delete the whole watch history', 204))
    .input(Nothing).output(z.void())
    .mutation(({ ctx }) => deleteHistory(ctx)),
  preferences: can('library.use').meta(rest('GET /users/me/preferences', 'getPreferences', 'Library', 'What the caller has set for all their apps'))
    .output(Preferences)
    .query(({ ctx }) => preferencesOf(ctx.db, ctx.actor.userId)),
  setPreferences: can('library.use').meta(rest('PUT /users/me/preferences', 'setPreferences', 'Library', 'Set some or all of them'))
    .input(SetPreferences).output(Preferences)
    .mutation(({ ctx, input }) => setPreferences(ctx, input)),
})
