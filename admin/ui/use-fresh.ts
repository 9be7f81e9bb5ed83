import { useRevalidator } from '@remix-run/react'
import { useEffect } from 'react'

const everyMs = 4_000

/** Asks for the page's data again every few seconds while something on it is expected to change, and the page is looked at. */
export function useFresh(expected: boolean): void {
  const { revalidate, state } = useRevalidator()
  useEffect(() => {
    if (!expected || state !== 'idle') return
    const timer = setTimeout(() => {
      if (document.visibilityState === 'visible') revalidate()
    }, everyMs)
    return () => clearTimeout(timer)
  }, [expected, revalidate, state])
}
