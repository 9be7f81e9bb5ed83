/** What siblings may ask of authentication. */
export { endSessionsOfUser } from './sessions.ts'
