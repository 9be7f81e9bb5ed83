import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createTokenVerifier, signAccessToken } from '../../server/features/auth/access-tokens.ts'
import { asOperator } from '../admin/operator.ts'
import type { BenchInstance } from './accounts.ts'
import { median, type Figure } from './figures.ts'

const tokens = 400
const repeats = 50

/** What one verification takes, in this process with the keys of the instance: of a token seen before, and of a new one. */
export function benchVerification({ env }: BenchInstance): Promise<Figure> {
  return asOperator(env, async (ctx) => {
    const now = ctx.now()
    const session = () => ({ rowId: '', publicId: randomUUID(), userId: randomUUID(), authenticatedAt: now, methods: [], absoluteExpiresAt: now })
    const signed = Array.from({ length: tokens }, () => signAccessToken(ctx, { role: 'user', session: session() }).token)
    const verify = createTokenVerifier(ctx)
    // only then it answers from memory, as a node in use does
    while (!ctx.revocations.live()) await pause(20)
    const first = await microseconds(verify, signed)
    const again: number[] = []
    for (let repeat = 0; repeat < repeats; repeat += 1) again.push(...(await microseconds(verify, signed)))
    return { what: 'verification of a token', value: `p50 ${median(again).toFixed(1)} µs`, beside: `of one not seen before: ${median(first).toFixed(0)} µs` }
  })
}

async function microseconds(verify: (token: string) => Promise<unknown>, signed: string[]): Promise<number[]> {
  const samples: number[] = []
  for (const token of signed) {
    const start = performance.now()
    await verify(token)
    samples.push((performance.now() - start) * 1000)
  }
  return samples
}
