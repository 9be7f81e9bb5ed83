import { AppError, Unavailable } from '../kit/errors.ts'

/** Connections that stay open, bounded by user and in all on this node. @throws AppError 429 too_many_streams, 503 unavailable */
export function createSeats({ perUser, inAll }: { perUser: number; inAll: number }): { take(userId: string): Disposable } {
  const taken = new Map<string, number>()
  let all = 0
  const change = (userId: string, by: 1 | -1) => {
    all += by
    const left = (taken.get(userId) ?? 0) + by
    if (left > 0) taken.set(userId, left)
    else taken.delete(userId)
  }
  return {
    take(userId) {
      if ((taken.get(userId) ?? 0) >= perUser) throw new AppError(429, 'too_many_streams', 'Too many of these are open at the same time. Close one first.', { headers: { 'retry-after': '2' } })
      if (all >= inAll) throw new Unavailable('too many connections that stay open')
      change(userId, 1)
      return { [Symbol.dispose]: () => change(userId, -1) }
    },
  }
}
