/** What siblings may ask of authentication. */
export { endOtherSessionsOfUser, endOwnSession, endSessionsOfUser } from './sessions.ts'
export * as mails from './mails.ts'
