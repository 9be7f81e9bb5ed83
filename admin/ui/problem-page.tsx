import { isRouteErrorResponse, Link, useRouteError, useRouteLoaderData } from '@remix-run/react'
import type { loader as rootLoader } from '../root.tsx'
import { readProblem } from './problem.ts'

/** Error boundary of every page: what happened in a sentence, what to do, and the id under which the log knows it. */
export function ProblemPage() {
  const error = useRouteError()
  const root = useRouteLoaderData<typeof rootLoader>('root')
  const { title, detail, code, requestId } = readProblem(isRouteErrorResponse(error) ? error : null)
  const id = requestId ?? root?.requestId
  return (
    <section aria-labelledby="problem" className="grid justify-items-start gap-3 py-6">
      <h1 id="problem" className="text-2xl font-semibold tracking-tight text-balance">
        {title}
      </h1>
      <p className="max-w-prose text-faint">{detail}</p>
      <p className="flex flex-wrap gap-x-5 gap-y-2 pt-2">
        <Link to="/" reloadDocument className="font-medium text-accent underline underline-offset-4 hover:text-accent-strong">
          Go to the queue
        </Link>
      </p>
      <dl className="mt-4 flex flex-wrap gap-x-6 gap-y-1 border-t border-line pt-3 text-sm text-faint">
        <div className="flex gap-2">
          <dt>Code</dt>
          <dd className="font-mono">{code}</dd>
        </div>
        {id && (
          <div className="flex gap-2">
            <dt>Request</dt>
            <dd className="font-mono">{id}</dd>
          </div>
        )}
      </dl>
    </section>
  )
}
