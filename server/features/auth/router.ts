import { z } from 'zod'
import { can, open, rest, router } from '../../kit/procedure.ts'
import { ChangePassword, Flow, Refresh, Session, SetUp, SignIn, SignUp, VerifyEmail } from './contract.ts'
import { changePassword } from './change-password.ts'
import { refresh } from './refresh.ts'
import { completeSetUp } from './set-up.ts'
import { signIn, signOut } from './sign-in.ts'
import { signOutEverywhere } from './sign-out-everywhere.ts'
import { signUp, verifyEmail } from './sign-up.ts'

const credentials = { limit: 'credentials' } as const

export const authRouter = router({
  signUp: open.meta({ ...credentials, ...rest('POST /auth/sign-up', 'signUp', 'Auth', 'Begin an account; a code goes out by mail', 202) })
    .input(SignUp).output(Flow)
    .mutation(({ ctx, input }) => signUp(ctx, input)),
  verifyEmail: open.meta({ ...credentials, ...rest('POST /auth/verify-email', 'verifyEmail', 'Auth', 'Open the account with the mailed code') })
    .input(VerifyEmail).output(Session)
    .mutation(({ ctx, input }) => verifyEmail(ctx, input)),
  signIn: open.meta({ ...credentials, ...rest('POST /auth/sign-in', 'signIn', 'Auth', 'Sign in') })
    .input(SignIn).output(Session)
    .mutation(({ ctx, input }) => signIn(ctx, input)),
  refresh: open.meta({ ...credentials, ...rest('POST /auth/refresh', 'refreshSession', 'Auth', 'Exchange a refresh token, once') })
    .input(Refresh).output(Session)
    .mutation(({ ctx, input }) => refresh(ctx, input)),
  signOut: can('session.end').meta(rest('POST /auth/sign-out', 'signOut', 'Auth', 'End this session', 204))
    .output(z.void())
    .mutation(({ ctx }) => signOut(ctx)),
  signOutEverywhere: can('session.end').meta(rest('POST /auth/sign-out-everywhere', 'signOutEverywhere', 'Auth', 'End every session of this person, this one included', 204))
    .output(z.void())
    .mutation(({ ctx }) => signOutEverywhere(ctx)),
  changePassword: can('account.secure').meta({ stepUp: true, ...credentials, ...rest('POST /auth/change-password', 'changePassword', 'Auth', 'Choose another password; ends the other sessions', 204) })
    .input(ChangePassword).output(z.void())
    .mutation(({ ctx, input }) => changePassword(ctx, input)),
  // for the console's set-up page only; not a REST route
  completeSetUp: open.meta(credentials)
    .input(SetUp).output(z.void())
    .mutation(({ ctx, input }) => completeSetUp(ctx, input)),
})
