import { z } from 'zod'
import { can, rest, router } from '../../kit/procedure.ts'
import { User } from '../auth/contract.ts'
import { banUser, endSessionsByStaff, unbanUser } from './ban.ts'
import { BanUser, DataExport, EndedSessions, OwnSessionPage, RequestedExport, ScheduledDeletion, SessionQuery, SessionRef, SetRole, UpdateProfile, UserRef } from './contract.ts'
import { deleteAccount } from './delete-account.ts'
import { exportState, requestExport } from './exports.ts'
import { endOtherSessions, ownSessions, revokeSession } from './own-sessions.ts'
import { updateProfile } from './profile.ts'
import { setUserRole } from './set-role.ts'
import { me } from './users.ts'

const fresh = { stepUp: true } as const

export const usersRouter = router({
  me: can('account.read').meta({ beforeEnrolment: true, ...rest('GET /users/me', 'getMe', 'Users', 'The signed-in user') })
    .output(User)
    .query(({ ctx }) => me(ctx)),
  update: can('account.edit').meta(rest('PATCH /users/me', 'updateMe', 'Users', 'Change name or language'))
    .input(UpdateProfile).output(User)
    .mutation(({ ctx, input }) => updateProfile(ctx, input)),
  delete: can('account.delete').meta({ ...fresh, ...rest('DELETE /users/me', 'deleteMe', 'Users', 'Sign out everywhere and have the account erased after a time of grace', 202) })
    .output(ScheduledDeletion)
    .mutation(({ ctx }) => deleteAccount(ctx)),
  sessions: can('session.read').meta(rest('GET /users/me/sessions', 'listSessions', 'Users', 'Where the user is signed in, the newest first'))
    .input(SessionQuery).output(OwnSessionPage)
    .query(({ ctx, input }) => ownSessions(ctx, input)),
  revokeSession: can('session.end').meta(rest('DELETE /users/me/sessions/{sessionId}', 'revokeSession', 'Users', 'End one of the user’s sessions, with its tokens and streams', 204))
    .input(SessionRef).output(z.void())
    .mutation(({ ctx, input }) => revokeSession(ctx, input)),
  endOtherSessions: can('session.end').meta(rest('DELETE /users/me/sessions', 'endOtherSessions', 'Users', 'End all of the user’s sessions but the one that asks, with their tokens and streams'))
    .output(EndedSessions)
    .mutation(({ ctx }) => endOtherSessions(ctx)),
  requestExport: can('account.export').meta({ ...fresh, ...rest('POST /users/me/export', 'createExport', 'Users', 'Have a copy of one’s data made; once a day', 202) })
    .output(RequestedExport)
    .mutation(({ ctx }) => requestExport(ctx)),
  exportState: can('account.export').meta({ ...fresh, ...rest('GET /users/me/export', 'getExport', 'Users', 'The newest export, with its one-time link once it is ready') })
    .output(DataExport)
    .query(({ ctx }) => exportState(ctx)),
  ban: can('user.ban').meta(rest('POST /admin/users/{userId}/ban', 'banUser', 'Users', 'Ban a user and end all their sessions', 204))
    .input(BanUser).output(z.void())
    .mutation(({ ctx, input }) => banUser(ctx, input)),
  unban: can('user.ban').meta(rest('POST /admin/users/{userId}/unban', 'unbanUser', 'Users', 'Let a banned user sign in again', 204))
    .input(UserRef).output(z.void())
    .mutation(({ ctx, input }) => unbanUser(ctx, input)),
  endSessions: can('user.ban').meta(rest('POST /admin/users/{userId}/end-sessions', 'endSessionsOfUser', 'Users', 'End all sessions of a user', 204))
    .input(UserRef).output(z.void())
    .mutation(({ ctx, input }) => endSessionsByStaff(ctx, input)),
  setRole: can('user.set_role').meta({ ...fresh, ...rest('POST /admin/users/{userId}/role', 'setUserRole', 'Users', 'Give someone else another role and end their sessions', 204) })
    .input(SetRole).output(z.void())
    .mutation(({ ctx, input }) => setUserRole(ctx, input)),
})
