import { z } from 'zod'
import { can, open, rest, router } from '../../kit/procedure.ts'
import { Session } from '../auth/contract.ts'
import { BeginStepUp, ConfirmTotp, FactorState, FinishPasskey, FinishPasskeySignIn, FinishStepUp, NewPasskey, PasskeyChallenge, PasskeyRef, Passkeys, RecoveryCodes, ResetFactors, StepUpChallenge, TotpEnrolment, VerifyMfa } from './contract.ts'
import { beginPasskeySignIn, finishPasskeySignIn } from './passkey-sign-in.ts'
import { beginPasskey, finishPasskey, listPasskeys, removePasskey } from './passkeys.ts'
import { resetFactors } from './reset.ts'
import { verifyMfa } from './second-factor.ts'
import { factorState, newRecoveryCodes } from './state.ts'
import { beginStepUp, finishStepUp } from './step-up.ts'
import { beginTotp, confirmTotp, removeTotp } from './totp-factor.ts'

const credentials = { limit: 'credentials' } as const
/** What someone may do whose role asks for a second factor that they do not have yet. */
const enrolling = { beforeEnrolment: true } as const

export const factorsRouter = router({
  verify: open.meta({ ...credentials, ...rest('POST /auth/mfa/verify', 'verifyMfa', 'Auth', 'End a sign-in by the second factor') })
    .input(VerifyMfa).output(Session)
    .mutation(({ ctx, input }) => verifyMfa(ctx, input)),
  beginPasskeySignIn: open.meta({ ...credentials, ...rest('POST /auth/passkey/begin', 'beginPasskeySignIn', 'Auth', 'Begin a sign-in by passkey alone') })
    .output(PasskeyChallenge)
    .mutation(({ ctx }) => beginPasskeySignIn(ctx)),
  finishPasskeySignIn: open.meta({ ...credentials, ...rest('POST /auth/passkey/finish', 'finishPasskeySignIn', 'Auth', 'Sign in by passkey') })
    .input(FinishPasskeySignIn).output(Session)
    .mutation(({ ctx, input }) => finishPasskeySignIn(ctx, input)),
  beginStepUp: can('account.secure').meta({ ...enrolling, ...rest('POST /auth/step-up/begin', 'beginStepUp', 'Auth', 'Begin to prove once more who you are') })
    .input(BeginStepUp).output(StepUpChallenge)
    .mutation(({ ctx, input }) => beginStepUp(ctx, input)),
  finishStepUp: can('account.secure').meta({ ...enrolling, ...credentials, ...rest('POST /auth/step-up/finish', 'finishStepUp', 'Auth', 'A fresher access token for a proof') })
    .input(FinishStepUp).output(Session)
    .mutation(({ ctx, input }) => finishStepUp(ctx, input)),
  state: can('account.read').meta({ ...enrolling, ...rest('GET /users/me/mfa', 'getMfa', 'Second factors', 'What you have besides the password') })
    .output(FactorState)
    .query(({ ctx }) => factorState(ctx)),
  beginTotp: can('account.secure').meta({ ...enrolling, stepUp: true, ...rest('POST /users/me/mfa/totp', 'beginTotp', 'Second factors', 'A new secret for an authenticator app') })
    .output(TotpEnrolment)
    .mutation(({ ctx }) => beginTotp(ctx)),
  confirmTotp: can('account.secure').meta({ ...enrolling, ...credentials, ...rest('POST /users/me/mfa/totp/confirm', 'confirmTotp', 'Second factors', 'Make the authenticator app count, by a code of it') })
    .input(ConfirmTotp).output(RecoveryCodes)
    .mutation(({ ctx, input }) => confirmTotp(ctx, input)),
  removeTotp: can('account.secure').meta({ stepUp: true, ...rest('DELETE /users/me/mfa/totp', 'removeTotp', 'Second factors', 'Remove the authenticator app', 204) })
    .output(z.void())
    .mutation(({ ctx }) => removeTotp(ctx)),
  newRecoveryCodes: can('account.secure').meta({ stepUp: true, ...rest('POST /users/me/mfa/recovery-codes', 'resetRecoveryCodes', 'Second factors', 'Ten new recovery codes') })
    .output(RecoveryCodes)
    .mutation(({ ctx }) => newRecoveryCodes(ctx)),
  beginPasskey: can('account.secure').meta({ ...enrolling, stepUp: true, ...rest('POST /users/me/passkeys/begin', 'beginPasskey', 'Second factors', 'Begin to add a passkey') })
    .output(PasskeyChallenge)
    .mutation(({ ctx }) => beginPasskey(ctx)),
  finishPasskey: can('account.secure').meta({ ...enrolling, ...credentials, ...rest('POST /users/me/passkeys/finish', 'finishPasskey', 'Second factors', 'Add the passkey that was made') })
    .input(FinishPasskey).output(NewPasskey)
    .mutation(({ ctx, input }) => finishPasskey(ctx, input)),
  listPasskeys: can('account.read').meta({ ...enrolling, ...rest('GET /users/me/passkeys', 'listPasskeys', 'Second factors', 'Your passkeys') })
    .output(Passkeys)
    .query(async ({ ctx }) => ({ items: await listPasskeys(ctx) })),
  removePasskey: can('account.secure').meta({ stepUp: true, ...rest('DELETE /users/me/passkeys/{passkeyId}', 'removePasskey', 'Second factors', 'Remove a passkey', 204) })
    .input(PasskeyRef).output(z.void())
    .mutation(({ ctx, input }) => removePasskey(ctx, input)),
  reset: can('user.reset_factors').meta({ stepUp: true, ...rest('POST /admin/users/{userId}/reset-mfa', 'resetMfa', 'Users', 'Take every second factor from someone who lost theirs', 204) })
    .input(ResetFactors).output(z.void())
    .mutation(({ ctx, input }) => resetFactors(ctx, input)),
})
