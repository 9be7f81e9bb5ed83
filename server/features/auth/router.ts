import { z } from 'zod'
import { can, open, rest, router } from '../../kit/procedure.ts'
import { changeEmail, confirmEmailChange } from './change-email.ts'
import { changePassword } from './change-password.ts'
import { ChangeEmail, ChangePassword, ConfirmEmailChange, Flow, ForgotPassword, Refresh, ResendCode, ResetPassword, Session, SetUp, SignIn, SignUp, VerifyEmail } from './contract.ts'
import { knownDeviceClient } from './devices.ts'
import { refresh } from './refresh.ts'
import { resendCode } from './resend-code.ts'
import { forgotPassword, resetPassword } from './reset-password.ts'
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
  resendCode: open.meta({ ...credentials, ...rest('POST /auth/resend-code', 'resendCode', 'Auth', 'Mail another code in the place of the one before', 202) })
    .input(ResendCode).output(Flow)
    .mutation(({ ctx, input }) => resendCode(ctx, input)),
  forgotPassword: open.meta({ ...credentials, ...rest('POST /auth/forgot-password', 'forgotPassword', 'Auth', 'Mail a code for a new password', 202) })
    .input(ForgotPassword).output(Flow)
    .mutation(({ ctx, input }) => forgotPassword(ctx, input)),
  resetPassword: open.meta({ ...credentials, ...rest('POST /auth/reset-password', 'resetPassword', 'Auth', 'Set a new password with the mailed code; every session ends', 204) })
    .input(ResetPassword).output(z.void())
    .mutation(({ ctx, input }) => resetPassword(ctx, input)),
  changeEmail: can('account.secure').meta({ ...credentials, stepUp: true, ...rest('POST /auth/change-email', 'changeEmail', 'Auth', 'Mail a code to a new address', 202) })
    .input(ChangeEmail).output(Flow)
    .mutation(({ ctx, input }) => changeEmail(ctx, input)),
  confirmEmailChange: can('account.secure').meta({ ...credentials, ...rest('POST /auth/change-email/confirm', 'confirmEmailChange', 'Auth', 'Use the new address, with the mailed code', 204) })
    .input(ConfirmEmailChange).output(z.void())
    .mutation(({ ctx, input }) => confirmEmailChange(ctx, input)),
  signIn: open.meta({ ...credentials, client: knownDeviceClient, ...rest('POST /auth/sign-in', 'signIn', 'Auth', 'Sign in') })
    .input(SignIn).output(Session)
    .mutation(({ ctx, input }) => signIn(ctx, input)),
  refresh: open.meta({ ...credentials, ...rest('POST /auth/refresh', 'refreshSession', 'Auth', 'Exchange a refresh token, once') })
    .input(Refresh).output(Session)
    .mutation(({ ctx, input }) => refresh(ctx, input)),
  signOut: can('session.end').meta({ beforeEnrolment: true, ...rest('POST /auth/sign-out', 'signOut', 'Auth', 'End this session', 204) })
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
