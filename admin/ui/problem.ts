import type { Problem } from '../load-context.ts'

const titles: Record<number, string> = {
  403: 'You may not do this',
  404: 'There is nothing here',
  405: 'This page takes no such request',
  409: 'Someone was faster',
  429: 'Too many requests',
  503: 'Not available just now',
}

/** What an error page says. Where the answer is no problem document, its status must do; null: a fault of ours, whose words stay in the log. */
export function readProblem(error: { status: number; data: unknown } | null): { title: string; detail: string; code: string; requestId: string | null } {
  const problem = isProblem(error?.data) ? error.data : null
  const status = error?.status ?? 500
  return {
    title: titles[status] ?? (status >= 500 ? 'Something went wrong' : 'This did not work'),
    detail: problem?.detail ?? (status === 404 ? 'The address may be mistyped, or what it named is gone.' : 'The server met a fault, and its log holds the details under the request named below.'),
    code: problem?.code ?? (status === 404 ? 'not_found' : 'internal'),
    requestId: problem?.instance ?? null,
  }
}

function isProblem(data: unknown): data is Problem {
  return typeof data === 'object' && data !== null && 'detail' in data && 'code' in data && 'instance' in data
}
