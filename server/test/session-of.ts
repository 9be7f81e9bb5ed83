import { decodeJwt } from 'jose'

/** The session that an access token is of, as the API names it. */
export const sessionOf = ({ token }: { token: string }): string => String(decodeJwt(token)['sid'])
