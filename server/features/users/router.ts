import { z } from 'zod'
import { can, rest, router } from '../../kit/procedure.ts'
import { User } from '../auth/contract.ts'
import { banUser } from './ban.ts'
import { BanUser } from './contract.ts'
import { me } from './users.ts'

export const usersRouter = router({
  me: can('account.read').meta({ beforeEnrolment: true, ...rest('GET /users/me', 'getMe', 'Users', 'The signed-in user') })
    .output(User)
    .query(({ ctx }) => me(ctx)),
  ban: can('user.ban').meta(rest('POST /admin/users/{userId}/ban', 'banUser', 'Users', 'Ban a user and end all their sessions', 204))
    .input(BanUser).output(z.void())
    .mutation(({ ctx, input }) => banUser(ctx, input)),
})
