import { createHash, randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { Session } from '../../server/features/auth/contract.ts'
import { PublicApi } from '../demo/public-api.ts'
import { viewerTokens, type BenchInstance } from './accounts.ts'
import { latency, median, type Figure } from './figures.ts'

const rounds = 6
const turns = 40
const hashOf = (token: string) => createHash('sha256').update(token).digest()

/** One refresh after another, each with the token of the one before; in turn with the SQL of such a rotation, bare. */
export async function benchRefresh(bench: BenchInstance, report: (line: string) => void): Promise<Figure[]> {
  const api = new PublicApi(bench.instance.baseUrl)
  let { refreshToken } = await viewerTokens(bench)
  const other = await viewerTokens(bench)
  const sql = postgres(bench.instance.databaseUrls.app, { max: 1 })
  try {
    let bareToken = other.refreshToken
    const over = async () => {
      const { tokens } = await api.call('POST', '/auth/refresh', { body: { refreshToken }, answer: Session })
      refreshToken = tokens?.refreshToken ?? ''
    }
    const bare = async () => {
      bareToken = await rotateBare(sql, bareToken)
    }
    const [whole, needed, ratios]: [number[], number[], number[]] = [[], [], []]
    await timed(over, 20)
    await timed(bare, 20)
    for (let round = 0; round < rounds; round += 1) {
      const [a, b] = [await timed(over, turns), await timed(bare, turns)]
      whole.push(...a)
      needed.push(...b)
      ratios.push(median(a) / median(b))
      report(`round ${round + 1}: ${median(a).toFixed(2)} ms a refresh, ${median(b).toFixed(2)} ms its SQL`)
    }
    return [{ what: 'POST /auth/refresh, one at a time', value: latency(whole), beside: `its SQL alone: ${latency(needed)}`, ratio: median(ratios).toFixed(2) }]
  } finally {
    await sql.end()
  }
}

/** What a rotation cannot do without: find and lock, read the person, add the successor, spend. */
function rotateBare(sql: postgres.Sql, token: string): Promise<string> {
  const next = randomBytes(32).toString('base64url')
  return sql.begin(async (tx) => {
    const [session] = await tx<{ id: string; user_id: string }[]>`select id, user_id from sessions where id in (select session_id from refresh_tokens where token_hash = ${hashOf(token)}) for no key update`
    const [row] = await tx<{ id: string }[]>`select t.id, t.spent_at, t.expires_at, n.spent_at as used from refresh_tokens t left join refresh_tokens n on n.id = t.successor_id where t.token_hash = ${hashOf(token)}`
    if (!session || !row) throw new Error('the chain of the bare rotation is broken')
    await tx`select u.id, u.email_sealed, u.role from sessions s join users u on u.id = s.user_id where s.id = ${session.id} and s.ended_at is null`
    const id = randomUUID()
    await tx`insert into refresh_tokens (id, session_id, token_hash, created_at, expires_at) values (${id}, ${session.id}, ${hashOf(next)}, now(), now() + interval '30 days')`
    await tx`update refresh_tokens set spent_at = now(), successor_id = ${id}, successor_sealed = ${randomBytes(76)}, retry_until = now() + interval '10 seconds' where id = ${row.id}`
    await tx`update refresh_tokens set successor_sealed = null where successor_id = ${row.id} and successor_sealed is not null`
    return next
  })
}

async function timed(work: () => Promise<unknown>, times: number): Promise<number[]> {
  const samples: number[] = []
  for (let turn = 0; turn < times; turn += 1) {
    const start = performance.now()
    await work()
    samples.push(performance.now() - start)
  }
  return samples
}
