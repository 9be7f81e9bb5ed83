import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Revocation } from '../../kit/revocations.ts'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { sessionOf } from '../../test/session-of.ts'
import { approveTitle, offerTitle } from '../../test/titles.ts'
import { makeTorrent } from '../../test/torrents.ts'
import { createEndings, type Endings, type Right } from './endings.ts'

let app: TestApp
let viewer: Person
let torrentId: string
beforeAll(async () => {
  app = await startTestApp()
  const { infoHash, base64 } = makeTorrent()
  torrentId = await offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') })
  await approveTitle(app, torrentId, (await app.as.moderator()).token)
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(async () => {
  viewer = await app.as.user()
})

/** A link as the viewer's app would have it. */
async function link(): Promise<Right & { linkId: string; sessionId: string }> {
  await app.call('POST', `/torrents/${torrentId}/files/0/playback`, { token: viewer.token })
  const [row] = await app.deps.sql<{ id: string }[]>`select id from playback_links where user_id = ${viewer.userId}`
  return { linkId: row?.id ?? expect.fail('no link'), sessionId: sessionOf(viewer), torrentId }
}
const endsSoon = (signal: AbortSignal) => vi.waitFor(() => expect(signal.aborted).toBe(true), { timeout: 10_000, interval: 10 })

/** Endings with a channel that says and knows what the test wants. */
function withChannel(live: () => boolean, { now = app.deps.now, keepAliveMs = 60_000 } = {}) {
  const listeners: ((revocation: Revocation) => void)[] = []
  const revocations = { ...app.deps.revocations, live, subscribe: (listener: (revocation: Revocation) => void) => (listeners.push(listener), () => undefined) }
  const endings = createEndings({ ...app.deps, now, revocations }, { recheckMs: 20, keepAliveMs })
  return { endings, say: (revocation: Revocation) => listeners.forEach((listener) => listener(revocation)), [Symbol.dispose]: () => endings.close() }
}
const hold = (endings: Endings, right: Right, mark = endings.mark()) => endings.hold(right, mark)

describe('what is held ends', () => {
  test.each<[string, (right: Right & { linkId: string; sessionId: string }) => Revocation]>([
    ['its session', ({ sessionId: id }) => ({ kind: 'session', id })],
    ['its title', ({ torrentId: id }) => ({ kind: 'torrent', id })],
    ['its link', ({ linkId: id }) => ({ kind: 'link', id })],
  ])('with %s, at once, and nothing else does', async (_what, revocation) => {
    using channel = withChannel(() => true)
    const right = await link()
    const [held, other] = [hold(channel.endings, right), hold(channel.endings, { ...right, sessionId: 'a', torrentId: 'b', linkId: 'c' })]
    const others = [other.signal.aborted]
    channel.say(revocation(right))
    expect([held.signal.aborted, ...others, other.signal.aborted]).toEqual([true, false, false])
    expect(held.signal.reason).toMatchObject({ code: 'playback_link_ended' })
  })

  test('when it ended while its right was looked up', () => {
    using channel = withChannel(() => true)
    const mark = channel.endings.mark()
    channel.say({ kind: 'session', id: 'a' })
    const right = { sessionId: 'a', torrentId: 'b', linkId: null }
    expect(hold(channel.endings, right, mark).signal.aborted).toBe(true)
    expect(hold(channel.endings, right).signal.aborted).toBe(false)
  })

  test('while the channel is silent, by what the database says', async () => {
    using channel = withChannel(() => false)
    const right = await link()
    const [linked, unlinked] = [hold(channel.endings, right), hold(channel.endings, { ...right, linkId: null })]
    await app.deps.sql`update sessions set ended_at = now() where public_id = ${right.sessionId}`
    await endsSoon(linked.signal)
    await endsSoon(unlinked.signal)
  })

  test('once the channel is back, if it ended while nobody heard', async () => {
    using channel = withChannel(() => true)
    const right = await link()
    const held = hold(channel.endings, right)
    await app.deps.sql`update playback_links set ended_at = now() where id = ${right.linkId}`
    channel.say({ kind: 'keys', id: 'unknown' })
    await endsSoon(held.signal)
  })

  test('while neither the channel nor the database answers', async () => {
    const db = { ...app.deps.db, select: () => { throw new Error('away') } } as unknown as typeof app.deps.db
    const revocations = { ...app.deps.revocations, live: () => false }
    const endings = createEndings({ ...app.deps, db, revocations }, { recheckMs: 20, keepAliveMs: 60_000 })
    const held = hold(endings, { sessionId: 'a', torrentId: 'b', linkId: 'c' })
    await endsSoon(held.signal)
    endings.close()
  })
})

describe('the clock', () => {
  test('a link in use lives on for hours, and ends after a day', async () => {
    let now = new Date()
    using channel = withChannel(() => true, { now: () => now, keepAliveMs: 20 })
    const right = await link()
    await app.deps.sql`update sessions set expires_at = now() + interval '9 days', absolute_expires_at = now() + interval '9 days' where public_id = ${right.sessionId}`
    const held = hold(channel.endings, right)
    const began = now.getTime()
    while (now.getTime() - began < 23 * 3_600_000) {
      await vi.waitFor(async () => expect(await app.deps.sql`select 1 from playback_links where id = ${right.linkId} and last_used_at = ${now.toISOString()}`).toHaveLength(1), { timeout: 10_000, interval: 5 })
      expect(held.signal.aborted).toBe(false)
      now = new Date(now.getTime() + 25 * 60_000)
    }
    now = new Date(began + 24 * 3_600_000 + 60_000)
    await endsSoon(held.signal)
  })

  test('what hangs on no link ends with the idle end of its session', async () => {
    using channel = withChannel(() => true, { keepAliveMs: 20 })
    const right = { ...(await link()), linkId: null }
    const held = hold(channel.endings, right)
    await app.deps.sql`update sessions set expires_at = now() - interval '1 second' where public_id = ${right.sessionId}`
    await endsSoon(held.signal)
  })
})
