/** What siblings may ask of second factors. */
export { demandFactor } from './second-factor.ts'
