/** What siblings may ask of second factors. */
export { demandFactorOf } from './second-factor.ts'
