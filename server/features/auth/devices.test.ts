import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createUser } from './create-user.ts'
import { forgetDevice, forgetDevices } from './devices.ts'
import { tokenHash } from '../../kit/secret-tokens.ts'
import { testPassword } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { visitConsole } from '../../test/console-visitor.ts'
import { codeIn, mailTo } from '../../test/mails.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100', TRUSTED_PROXIES: '127.0.0.1' } })
})
afterAll(() => app[Symbol.asyncDispose]())

type Given = { name?: string; platform?: string; token?: string }
const signIn = (email: string, device?: Given, ip = '203.0.113.80') =>
  app.call('POST', '/auth/sign-in', { headers: { 'x-forwarded-for': ip }, body: { email, password: testPassword, ...(device ? { device: { name: 'Pixel 9', platform: 'android', ...device } } : {}) } })
let people = 0
/** Someone who has never signed in. */
const newcomer = async (role: 'user' | 'moderator' = 'user') => {
  const email = `newcomer${(people += 1)}@example.org`
  const { userId } = await createUser(app.as.operator(), { email, password: testPassword, role })
  return { email, userId, password: testPassword }
}
const announced = 'A new device signed in'
/** How many mails to an address announce a device, once all that were queued are written. */
const announcementsTo = async (email: string): Promise<number> => {
  await vi.waitFor(async () => expect(await app.deps.sql`select 1 from graphile_worker.jobs`).toHaveLength(0), { timeout: 15_000, interval: 25 })
  const names = await readdir(join(app.dataDir, 'outbox')).catch(() => [])
  const mails = await Promise.all(names.filter((name) => name.endsWith('.eml')).map((name) => readFile(join(app.dataDir, 'outbox', name), 'utf8')))
  return mails.filter((mail) => mail.includes(`To: ${email}`) && mail.includes(`Subject: ${announced}`)).length
}
const devicesOf = (userId: string) =>
  app.deps.sql<{ id: string; token_hash: Buffer; name: string | null; removed_at: Date | null; last_seen_at: Date }[]>`select id, token_hash, name, removed_at, last_seen_at from known_devices where user_id = ${userId} order by created_at`
const sessionDevices = async (userId: string) => (await app.deps.sql`select device_id from sessions where user_id = ${userId} order by created_at`).map((row) => row['device_id'] as string)

describe('known devices (control A12)', () => {
  test('a device gets a secret at its first sign-in, and is known by it from then on', async () => {
    const { email, userId } = await newcomer()
    const { body: first } = await signIn(email, {})
    expect(first.deviceToken).toMatch(/^tsd_[\w-]{43}$/)
    const { body: second } = await signIn(email, { token: first.deviceToken, name: 'Pixel 9, renamed' })
    expect(second.deviceToken).toBeNull()
    const devices = await devicesOf(userId)
    expect(devices).toHaveLength(1)
    expect(devices[0]).toMatchObject({ name: 'Pixel 9, renamed', removed_at: null })
    expect(Buffer.from(tokenHash(first.deviceToken as string))).toEqual(devices[0]?.token_hash)
    expect(await sessionDevices(userId)).toEqual([devices[0]?.id, devices[0]?.id])
  })

  test('the first is not announced, another is, and one that is known is not again', async () => {
    const { email } = await newcomer()
    const { body: first } = await signIn(email, {})
    await signIn(email, { token: first.deviceToken })
    expect(await announcementsTo(email)).toBe(0)
    const { body: other } = await signIn(email, { name: 'Old tablet' }, '198.51.100.23')
    const mail = await mailTo(app.dataDir, email, announced)
    expect(mail).toContain('Old tablet')
    expect(mail).toContain('198.51.100.0/24')
    expect(mail).not.toContain('198.51.100.23')
    expect(mail).not.toContain(other.deviceToken)
    await signIn(email, { token: other.deviceToken })
    expect(await announcementsTo(email)).toBe(1)
  })

  test('whoever signed up on a device is not told of it, but of the next', async () => {
    const email = 'just-signed-up@example.org'
    const { body: flow } = await app.call('POST', '/auth/sign-up', { body: { email, password: testPassword } })
    const code = codeIn(await mailTo(app.dataDir, email))
    const { body } = await app.call('POST', '/auth/verify-email', { body: { flowId: flow.flowId, code, device: { name: 'Pixel', platform: 'android' } } })
    expect(body.deviceToken).toMatch(/^tsd_/)
    await signIn(email, { token: body.deviceToken })
    expect(await announcementsTo(email)).toBe(0)
    await signIn(email)
    expect(await announcementsTo(email)).toBe(1)
  })

  test('of two first sign-ins at once one is announced', async () => {
    const { email, userId } = await newcomer()
    await Promise.all([signIn(email, { name: 'One' }), signIn(email, { name: 'Two' })])
    expect(await devicesOf(userId)).toHaveLength(2)
    expect(await announcementsTo(email)).toBe(1)
  })

  test('a wrong password makes no device and no mail', async () => {
    const { email, userId } = await newcomer()
    await signIn(email, {})
    const wrong = await app.call('POST', '/auth/sign-in', { body: { email, password: 'wrong', device: { name: 'x', platform: 'ios' } } })
    expect([wrong.status, wrong.body.deviceToken]).toEqual([401, undefined])
    expect(await devicesOf(userId)).toHaveLength(1)
    expect(await announcementsTo(email)).toBe(0)
  })

  test("another's token is not theirs: the device is new, and the other's stays as it was", async () => {
    const [one, other] = [await newcomer(), await newcomer()]
    const { body } = await signIn(one.email, {})
    await signIn(other.email, {})
    const before = await devicesOf(one.userId)
    const stolen = await signIn(other.email, { token: body.deviceToken })
    expect(stolen.body.deviceToken).toMatch(/^tsd_/)
    expect(await devicesOf(one.userId)).toEqual(before)
    expect(await announcementsTo(other.email)).toBe(1)
  })

  test('a device that was forgotten is new again; only its owner forgets it', async () => {
    const [owner, other] = [await newcomer(), await newcomer()]
    const { body } = await signIn(owner.email, {})
    const [device] = await devicesOf(owner.userId)
    const forget = (userId: string) => app.deps.db.transaction((tx) => forgetDevice(app.deps, tx, { userId, deviceId: device?.id ?? '' }))
    expect(await forget(other.userId)).toBe(false)
    expect((await devicesOf(owner.userId))[0]?.removed_at).toBeNull()
    expect(await forget(owner.userId)).toBe(true)
    expect(await forget(owner.userId)).toBe(false)
    const { body: again } = await signIn(owner.email, { token: body.deviceToken })
    expect(again.deviceToken).toMatch(/^tsd_/)
    expect(await announcementsTo(owner.email)).toBe(1)
    await app.deps.db.transaction((tx) => forgetDevices(app.deps, tx, owner.userId))
    expect((await devicesOf(owner.userId)).every(({ removed_at: removed }) => removed !== null)).toBe(true)
  })

  test('after a change of the password only the device it was changed on is known', async () => {
    const { email } = await app.as.user()
    const newPassword = 'eleven quiet harbours at dusk'
    const [own, other] = [await signIn(email), await signIn(email)]
    const answer = await app.call('POST', '/auth/change-password', { token: own.body.tokens.accessToken, body: { currentPassword: testPassword, newPassword } })
    expect(answer.status).toBe(204)
    const back = (token: string) => app.call('POST', '/auth/sign-in', { body: { email, password: newPassword, device: { name: 'Pixel 9', platform: 'android', token } } })
    // null: it is known, and keeps the token that it has
    expect((await back(own.body.deviceToken as string)).body).toMatchObject({ deviceToken: null })
    expect((await back(other.body.deviceToken as string)).body.deviceToken).toMatch(/^tsd_/)
  })

  test('a refresh names no device, and the database keeps no secret of one', async () => {
    const { email } = await newcomer()
    const { body } = await signIn(email, {})
    const refreshed = await app.call('POST', '/auth/refresh', { body: { refreshToken: body.tokens.refreshToken } })
    expect([refreshed.status, refreshed.body.deviceToken]).toEqual([200, null])
    for (const table of ['known_devices', 'sessions', 'audit_log']) expect(JSON.stringify(await app.deps.sql`select * from ${app.deps.sql(table)}`)).not.toContain(body.deviceToken)
  })
})

describe("the console's browser", () => {
  const browser = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'x-forwarded-for': '203.0.113.90' }

  test('is known by its cookie, also after a sign-out; another one is announced', async () => {
    const moderator = await newcomer('moderator')
    const visitor = visitConsole(app.baseUrl, browser)
    expect((await visitor.signIn(moderator)).status).toBe(302)
    const devices = await devicesOf(moderator.userId)
    expect(devices).toMatchObject([{ name: 'Firefox on Linux' }])
    await visitor.get('/')
    await visitor.post('/sign-out', {})
    expect([...visitor.cookies.keys()].filter((name) => name.startsWith('device-'))).toHaveLength(1)
    await visitor.signIn(moderator)
    expect(await devicesOf(moderator.userId)).toHaveLength(1)
    expect(await announcementsTo(moderator.email)).toBe(0)
    await visitConsole(app.baseUrl, browser).signIn(moderator)
    expect(await devicesOf(moderator.userId)).toHaveLength(2)
    expect(await announcementsTo(moderator.email)).toBe(1)
  })

  test('is not locked out by strangers', async () => {
    const moderator = await newcomer('moderator')
    const known = visitConsole(app.baseUrl, browser)
    await known.signIn(moderator)
    const stranger = visitConsole(app.baseUrl)
    let last = 0
    for (let i = 0; i < 8; i += 1) last = (await stranger.signIn({ email: moderator.email, password: 'a wrong password' })).status
    expect(last).toBe(429)
    expect((await stranger.signIn(moderator)).status).toBe(429)
    await known.post('/sign-out', {})
    expect((await known.signIn(moderator)).status).toBe(302)
  })
})
