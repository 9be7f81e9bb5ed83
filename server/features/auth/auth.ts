/** What siblings may ask of authentication. */
export { completeSignIn, startSession } from './complete-sign-in.ts'
export { emptyFlows, forgetTriesAt } from './email-flows.ts'
export { endOtherSessionsOfUser, endOwnSession, endSession, endSessionsOfUser, noteProof } from './sessions.ts'
export { matchesOwnPassword } from './own-password.ts'
export { signAccessToken } from './access-tokens.ts'
export type { NewSession, Opening } from './sessions.ts'
export * as mails from './mails.ts'
