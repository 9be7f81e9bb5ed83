import { apiKeysRouter } from './features/api-keys/router.ts'
import { authRouter } from './features/auth/router.ts'
import { catalogueRouter } from './features/catalogue/router.ts'
import { factorsRouter } from './features/factors/router.ts'
import { ingestRouter } from './features/ingest/router.ts'
import { invitesRouter } from './features/invites/router.ts'
import { libraryRouter } from './features/library/router.ts'
import { moderationRouter } from './features/moderation/router.ts'
import { playbackRouter } from './features/playback/router.ts'
import { serverInfoRouter } from './features/server-info/router.ts'
import { usersRouter } from './features/users/router.ts'
import { router } from './kit/procedure.ts'

export const appRouter = router({
  server: serverInfoRouter,
  auth: authRouter,
  users: usersRouter,
  invites: invitesRouter,
  factors: factorsRouter,
  apiKeys: apiKeysRouter,
  catalogue: catalogueRouter,
  library: libraryRouter,
  playback: playbackRouter,
  ingest: ingestRouter,
  moderation: moderationRouter,
})

export type AppRouter = typeof appRouter

/** What REST exposes; a procedure that is not here is reached by /trpc and the console only. */
export const exposed: string[] = [
  'server.info',
  'auth.signUp',
  'auth.verifyEmail',
  'auth.resendCode',
  'auth.forgotPassword',
  'auth.resetPassword',
  'auth.changeEmail',
  'auth.confirmEmailChange',
  'auth.signIn',
  'auth.refresh',
  'auth.signOut',
  'auth.signOutEverywhere',
  'auth.changePassword',
  'users.me',
  'users.update',
  'users.delete',
  'users.sessions',
  'users.revokeSession',
  'users.endOtherSessions',
  'users.requestExport',
  'users.exportState',
  'users.ban',
  'users.unban',
  'users.endSessions',
  'users.setRole',
  'invites.create',
  'invites.list',
  'invites.revoke',
  'factors.verify',
  'factors.beginPasskeySignIn',
  'factors.finishPasskeySignIn',
  'factors.beginStepUp',
  'factors.finishStepUp',
  'factors.state',
  'factors.beginTotp',
  'factors.confirmTotp',
  'factors.removeTotp',
  'factors.newRecoveryCodes',
  'factors.beginPasskey',
  'factors.finishPasskey',
  'factors.listPasskeys',
  'factors.removePasskey',
  'factors.reset',
  'apiKeys.list',
  'apiKeys.create',
  'apiKeys.rotate',
  'apiKeys.revoke',
  'catalogue.categories',
  'catalogue.latest',
  'catalogue.search',
  'catalogue.details',
  'library.favorites',
  'library.addFavorite',
  'library.removeFavorite',
  'library.history',
  'library.setWatchPoint',
  'library.removeWatched',
  'library.deleteHistory',
  'library.preferences',
  'library.setPreferences',
  'playback.start',
  'playback.preview',
  'playback.streams',
  'playback.endStream',
  'ingest.create',
  'ingest.batch',
  'moderation.list',
  'moderation.details',
  'moderation.approve',
  'moderation.reject',
  'moderation.takeDown',
]
