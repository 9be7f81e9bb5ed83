import { redirect, type AppLoadContext } from '@remix-run/node'
import { isForm } from './is-form.ts'
import type { Problem } from './load-context.ts'

/** The page that asks for a proof once more, and leads back. */
export const stepUpPath = (back: string): string => `/account/step-up?next=${encodeURIComponent(back)}`

/** For pages whose every use needs a fresh proof: it is asked for first, so that nothing is typed in vain. */
export function demandFresh(context: AppLoadContext, request: Request): void {
  const { pathname, search } = new URL(request.url)
  if (context.actor?.fresh === false && !isForm(context)) throw redirect(stepUpPath(pathname + search))
}

/** What is shown in the form; where a fresh proof is wanted, that is asked for instead, and `back` is where it leads. */
export function orStepUp(problem: Problem, back: string): Problem {
  if (problem.code === 'step_up_required') throw redirect(stepUpPath(back))
  return problem
}
