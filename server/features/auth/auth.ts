/** What siblings may ask of authentication. */
export { endFlows } from './email-flows.ts'
export { endSessionsOfUser } from './sessions.ts'
