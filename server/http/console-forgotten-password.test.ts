import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../test/app.ts'
import type { Person } from '../test/actors.ts'
import { visitConsole } from '../test/console-visitor.ts'
import type { RawAnswer } from '../test/raw-http.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' } })
})
afterAll(() => app[Symbol.asyncDispose]())

const newPassword = 'eleven quiet harbours at dusk'
const flowIdIn = ({ text }: RawAnswer) => /name="flowId" value="([^"]*)"/.exec(text)?.[1] ?? expect.fail('the page names no flow')
const passwordOf = async ({ userId }: Person) => (await app.deps.sql`select password_hash from users where id = ${userId}`)[0]?.['password_hash'] as string
const flows = () => app.deps.sql`select id, code_hash, tries_left, resends_left, used_at from email_flows order by created_at`

async function forgot(email: string, more: Record<string, string> = {}) {
  const visitor = visitConsole(app.baseUrl)
  await visitor.get('/forgot-password')
  const answer = await visitor.post('/forgot-password', { email, ...more })
  return { visitor, answer }
}

describe('a forgotten password, in the console', () => {
  test('is asked for alike with an address that is known and one that is not (control A7)', async () => {
    const { email } = await app.as.moderator()
    const unknown = email.replace('moderator', 'nobodyyyy')
    const [known, stranger] = [(await forgot(email)).answer, (await forgot(unknown)).answer]
    const said = ({ status, headers, text }: RawAnswer, address: string) => {
      const masked = text.replaceAll(address, 'ADDRESS').replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID').replaceAll(/(name="csrf" value|nonce)="[^"]*"/g, '$1=""')
      return { status, headers: Object.keys(headers).sort(), masked }
    }
    expect(known.status).toBe(200)
    expect(known.text).toContain('if there is an account with that address')
    expect(said(stranger, unknown)).toEqual(said(known, email))
    expect(await app.outbox.left(unknown)).toBe(0)
  })

  test('is replaced, leads to sign-in, and what was typed stands in no URL and in no line of the log', async () => {
    const person = await app.as.moderator()
    const signedIn = visitConsole(app.baseUrl)
    await signedIn.signIn(person)
    const { visitor, answer } = await forgot(person.email, { next: '/titles?state=rejected' })
    const code = await app.outbox.code(person.email, 'Your code')
    expect(answer.text).toContain('name="next" value="/titles?state=rejected"')
    const fields = { flowId: flowIdIn(answer), email: person.email, code: `${code.slice(0, 4)} ${code.slice(4)}`, newPassword }
    const done = await visitor.post('/reset-password', { ...fields, next: '/titles?state=rejected' })
    expect([done.status, done.headers.location]).toEqual([302, '/sign-in?reset=&next=%2Ftitles%3Fstate%3Drejected'])
    expect((await visitor.get(String(done.headers.location))).text).toContain('Your password is changed. Sign in with the new one.')
    expect((await signedIn.get('/')).headers.location).toBe('/sign-in')
    expect((await visitor.signIn({ ...person, password: newPassword })).status).toBe(302)
    const log = JSON.stringify(app.logLines)
    expect(app.logLines.filter(({ method, status }) => method === 'POST' && status === 302)).not.toEqual([])
    for (const secret of [code, person.email, newPassword]) expect(log.includes(secret)).toBe(false)
  })

  test.each([
    ['short', 'Ab1!xyz', 'New password must have at least 12 characters.'],
    ['common', 'password123456', 'New password is too easy to guess'],
  ])('is not replaced by a weak one (%s): the reasons are told, the code is kept and the password is not', async (_what, weak, reason) => {
    const person = await app.as.moderator()
    const { visitor, answer } = await forgot(person.email)
    const code = await app.outbox.code(person.email, 'Your code')
    const before = await passwordOf(person)
    const refused = await visitor.post('/reset-password', { flowId: flowIdIn(answer), email: person.email, code, newPassword: weak })
    expect(refused.status).toBe(422)
    expect(refused.text).toContain(reason)
    expect(refused.text).toContain(`value="${code}"`)
    expect(refused.text).not.toContain(weak)
    expect(await passwordOf(person)).toBe(before)
    expect((await visitor.post('/reset-password', { flowId: flowIdIn(refused), email: person.email, code, newPassword })).status).toBe(302)
  })

  test.each<[string, Record<string, string>, number, string]>([
    ['a wrong code', { code: '00000000' }, 401, 'Code is wrong, used or too old.'],
    ['a code of letters', { code: 'abcdefgh' }, 422, 'Code must be 8 digits.'],
    ['no code', {}, 422, 'Code must be 8 digits.'],
    ['no flow', { flowId: 'x', code: '00000000' }, 422, 'flowId: Invalid UUID'],
  ])('is not replaced with %s', async (_what, given, status, says) => {
    const person = await app.as.moderator()
    const { visitor, answer } = await forgot(person.email)
    const before = await passwordOf(person)
    const refused = await visitor.post('/reset-password', { flowId: flowIdIn(answer), email: person.email, newPassword, ...given })
    expect(refused.status).toBe(status)
    expect(refused.text).toContain(says)
    expect(await passwordOf(person)).toBe(before)
  })

  test('is not begun with what is no address, which stays in its field as text', async () => {
    const before = await flows()
    const { answer } = await forgot('"><b>x')
    expect(answer.status).toBe(422)
    expect(answer.text).toContain('E-mail must be an e-mail address.')
    expect(answer.text).toContain('value="&quot;&gt;&lt;b&gt;x"')
    expect(await flows()).toEqual(before)
  })

  test.each<[string, string, Record<string, string>]>([
    ['/forgot-password', 'x@example.org', {}],
    ['/reset-password', 'x@example.org', { intent: 'resend' }],
    ['/reset-password', 'x@example.org', { code: '00000000', newPassword }],
  ])('%s changes nothing by a form that was not sent from here (control B4)', async (path, email, fields) => {
    const { visitor, answer } = await forgot((await app.as.moderator()).email)
    const before = await flows()
    const given = { email, flowId: flowIdIn(answer), ...fields }
    expect((await visitor.post(path, { ...given, csrf: 'x' })).status).toBe(403)
    expect((await visitor.post(path, given, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect(await flows()).toEqual(before)
  })

  test('a link neither mails a code nor opens the second page', async () => {
    const before = await flows()
    const visitor = visitConsole(app.baseUrl)
    const { email } = await app.as.moderator()
    expect((await visitor.get(`/forgot-password?email=${email}`)).status).toBe(200)
    const second = await visitor.get('/reset-password?code=00000000')
    expect([second.status, second.headers.location]).toEqual([302, '/forgot-password'])
    expect(await flows()).toEqual(before)
  })

  test('tries are limited by address (control A6)', async () => {
    await using strict = await startTestApp()
    const visitor = visitConsole(strict.baseUrl)
    await visitor.get('/forgot-password')
    const statuses: number[] = []
    for (let tries = 0; tries < 16; tries += 1) {
      statuses.push((await visitor.post('/forgot-password', { email: `nobody${tries}@example.org` })).status)
      statuses.push((await visitor.post('/reset-password', { flowId: '00000000-0000-4000-8000-000000000000', code: '00000000', newPassword })).status)
    }
    expect(statuses.slice(0, 4)).toEqual([200, 401, 200, 401])
    expect(statuses.at(-1)).toBe(429)
  })
})

describe('a passkey that is offered where the e-mail is typed', () => {
  const challenges = async () => (await app.deps.sql`select count(*)::int as rows from auth_challenges where kind = 'passkey_sign_in' and session_kind = 'console'`)[0]?.['rows'] as number

  test('has a challenge of its own, for a console session', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.get('/sign-in')
    const before = await challenges()
    const { status, headers, text } = await visitor.post('/sign-in/passkey/offer', {})
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, expect.stringContaining('application/json'), 'no-store'])
    const { challengeId, options } = JSON.parse(text) as { challengeId: string; options: string }
    expect(JSON.parse(options)).toMatchObject({ rpId: 'localhost', userVerification: 'required', allowCredentials: [] })
    expect(await challenges()).toBe(before + 1)
    // and an answer that fits nothing opens nothing
    const refused = await visitor.post('/sign-in/passkey', { challengeId, credential: '{}' })
    expect(refused.status).toBe(401)
  })

  test('is begun by no link, and by no form that was not sent from here', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.get('/sign-in')
    const before = await challenges()
    expect((await visitor.get('/sign-in/passkey/offer')).headers.location).toBe('/sign-in')
    expect((await visitor.post('/sign-in/passkey/offer', { csrf: 'x' })).status).toBe(403)
    expect((await visitor.post('/sign-in/passkey/offer', {}, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect(await challenges()).toBe(before)
  })

  test('takes nothing from what sign-ins have, and is limited by itself', async () => {
    await using strict = await startTestApp()
    const visitor = visitConsole(strict.baseUrl)
    await visitor.get('/sign-in')
    for (let offers = 0; offers < 40; offers += 1) expect((await visitor.post('/sign-in/passkey/offer', {})).status).toBe(200)
    expect((await visitor.post('/sign-in', { email: 'a@example.org', password: 'x' })).status).toBe(401)
    let last = 200
    for (let offers = 0; offers < 100 && last === 200; offers += 1) last = (await visitor.post('/sign-in/passkey/offer', {})).status
    expect(last).toBe(429)
  })
})
