import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { standingClock } from '../../test/clock.ts'
import { endSession, openSession } from './sessions.ts'
import { issueTokens } from './tokens.ts'

// Control A3: two nodes on one Postgres, driven at random beside a model that knows the rules and nothing of the code.

let nodes: [TestApp, TestApp]
let userId: string
const { now, set } = standingClock()
beforeAll(async () => {
  const [settings, overrides] = [{ RATE_LIMIT_FACTOR: '100000' }, { now }]
  const first = await startTestApp({ settings, overrides })
  nodes = [first, await startTestApp({ database: first.database, dataDir: first.dataDir, settings, overrides })]
  userId = (await first.as.user()).userId
})
afterAll(async () => {
  for (const node of [...nodes].reverse()) await node[Symbol.asyncDispose]()
})

/** The tokens of one session, oldest first: each is the successor of the one before it. */
type Model = { at: number; endsAt: number; ended: boolean; tokens: { spentAt: number | null; expiresAt: number }[] }
type Real = { sessionId: string; tokens: string[]; held: number }
type Command = fc.AsyncCommand<Model, Real>

const seconds = 1_000
const days = 86_400 * seconds
const [window, idle, absolute] = [10 * seconds, 30 * days, 180 * days]

/** What presenting the token of that place must lead to, and what it changes. @returns the place of the token given, or the refusal */
function present(model: Model, place: number): number | string {
  const token = model.tokens[place]
  if (!token) return 'invalid'
  if (model.ended) return 'revoked'
  const next = model.tokens[place + 1]
  if (token.spentAt !== null) {
    if (model.at < token.spentAt + window && next?.spentAt === null) return place + 1
    model.ended = true
    return 'reused'
  }
  if (token.expiresAt <= model.at) return 'expired'
  token.spentAt = model.at
  model.tokens.push({ spentAt: null, expiresAt: Math.min(model.at + idle, model.endsAt) })
  return place + 1
}

async function ask(node: 0 | 1, token: string): Promise<{ code: string; token?: string }> {
  const { status, body } = await nodes[node].call('POST', '/auth/refresh', { body: { refreshToken: token } })
  return status === 200 ? { code: 'given', token: body.tokens.refreshToken as string } : { code: (body.code as string).replace('refresh_token_', '') }
}

async function presented(model: Model, real: Real, place: number, through: (0 | 1)[], heard: boolean) {
  const token = real.tokens[place] ?? 'tsr_nobody-was-given-this'
  const expected = present(model, place)
  // of many at the same time each is a retry of the first
  const others = through.slice(1).map(() => present(model, place))
  const answers = await Promise.all(through.map((node) => ask(node, token)))
  if (typeof expected === 'string') {
    expect(answers.map(({ code }) => code).sort()).toEqual([expected, ...others.map(String)].sort())
    return
  }
  const given = answers[0]?.token ?? expect.unreachable(`refused as ${answers[0]?.code}, where a token was due`)
  for (const answer of answers) expect(answer).toEqual({ code: 'given', token: given })
  expect(real.tokens[expected] ?? given).toBe(given)
  real.tokens[expected] = given
  if (heard) real.held = expected
}

const through = fc.array(fc.constantFrom<0 | 1>(0, 1), { minLength: 1, maxLength: 6 })
const command = (name: string, run: (model: Model, real: Real) => Promise<unknown>): Command => ({
  check: () => true,
  run: async (model, real) => {
    await run(model, real)
    await oneLiveChainAtMost(model, real)
  },
  toString: () => name,
})

const commands = [
  through.map((via) => command(`refresh(${via.join()})`, (model, real) => presented(model, real, real.held, via, true))),
  through.map((via) => command(`lost(${via.join()})`, (model, real) => presented(model, real, real.held, via, false))),
  fc.tuple(fc.nat({ max: 6 }), through).map(([place, via]) => command(`present #${place}(${via.join()})`, (model, real) => presented(model, real, place, via, false))),
  fc.constantFrom(1 * seconds, 9_999, 10 * seconds, 40 * seconds, 29 * days, 30 * days, 60 * days).map((ms) => command(`wait ${ms}`, (model) => wait(model, ms))),
  fc.constant(command('revoke', async (model, real) => {
    const ctx = nodes[1].as.operator()
    await ctx.db.transaction((tx) => endSession(ctx, tx, real.sessionId, 'revoked'))
    model.ended = true
  })),
]

const wait = (model: Model, ms: number) => {
  model.at += ms
  set(new Date(model.at))
  return Promise.resolve()
}

async function oneLiveChainAtMost(model: Model, { sessionId }: Real) {
  const rows = await nodes[0].deps.sql<{ spent: boolean; ended: boolean }[]>`
    select spent_at is not null as spent, ended_at is not null as ended from refresh_tokens join sessions on sessions.id = session_id where public_id = ${sessionId}`
  expect(rows.filter(({ spent }) => !spent)).toHaveLength(1)
  expect(rows).toHaveLength(model.tokens.length)
  expect(rows[0]?.ended).toBe(model.ended)
}

async function begin(): Promise<{ model: Model; real: Real }> {
  const ctx = nodes[0].as.operator()
  const at = now().getTime()
  return ctx.db.transaction(async (tx) => {
    const session = await openSession(ctx, tx, { userId, kind: 'app', methods: ['password'] })
    const { refreshToken } = await issueTokens(ctx, tx, { role: 'user', session })
    return {
      model: { at, endsAt: at + absolute, ended: false, tokens: [{ spentAt: null, expiresAt: at + idle }] },
      real: { sessionId: session.publicId, tokens: [refreshToken], held: 0 },
    }
  })
}

test('whatever happens to a token, and on whichever node, the rules of rotation hold', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 14 }), async (sequence) => {
      const start = await begin()
      await fc.asyncModelRun(() => start, sequence)
    }),
    { numRuns: 60 },
  )
})
