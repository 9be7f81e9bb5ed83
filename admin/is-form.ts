import type { AppLoadContext } from '@remix-run/node'

/** Was a form sent? Loaders run after its action too, and Remix gives them a GET request then. */
export const isForm = ({ form }: AppLoadContext): boolean => form.size > 0
