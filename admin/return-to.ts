/** Pages of the console that sign-in, enrolment and step-up may lead back to. */
const pages = [/^\/$/, /^\/titles(?:\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/, /^\/account(?:\/(?:email|password|sessions|data|security(?:\/(?:authenticator|passkey|recovery-codes))?))?$/]
const queries = /^[\w=&.~%-]{0,300}$/

/**
 * Where to go after sign-in: a page of this console, or the queue for anything else (control B5). The list is of what is
 * allowed, so that no spelling of another site's address has to be thought of.
 */
export function returnTo(asked: string | null): string {
  const [path = '', query = ''] = asked?.split(/\?(.*)/s) ?? []
  return asked !== null && queries.test(query) && pages.some((page) => page.test(path)) ? asked : '/'
}

/** A page before sign-in that knows where to lead afterwards. To the queue it leads unasked. */
export function leadingTo(path: string, next: string, more: Record<string, string> = {}): string {
  const query = new URLSearchParams({ ...more, ...(next === '/' ? {} : { next }) }).toString()
  return query === '' ? path : `${path}?${query}`
}
