import { Link, useSearchParams } from '@remix-run/react'
import { buttonLook } from './button.tsx'

/** The way to the next page of a list by its cursor, and back to the first. */
export function Pager({ nextCursor, next }: { nextCursor: string | null; next: string }) {
  const [params] = useSearchParams()
  const to = (cursor: string | null) => {
    const search = new URLSearchParams(params)
    for (const key of ['cursor', 'done', 'title']) search.delete(key)
    if (cursor) search.set('cursor', cursor)
    return `?${search.toString()}`
  }
  if (!nextCursor && !params.has('cursor')) return null
  return (
    <nav aria-label="Pages" className="mt-5 flex flex-wrap gap-2">
      {params.has('cursor') && (
        <Link to={to(null)} className={buttonLook('plain')}>
          First page
        </Link>
      )}
      {nextCursor && (
        <Link to={to(nextCursor)} className={buttonLook('plain')}>
          {next}
        </Link>
      )}
    </nav>
  )
}
