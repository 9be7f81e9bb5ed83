import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as argon2 from '@node-rs/argon2'
import { dictionary } from '@zxcvbn-ts/language-common'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Passwords } from '../../kit/passwords.ts'
import { createPasswords } from '../../kit/passwords.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { insertUser } from '../users/users.ts'
import { createUser } from './create-user.ts'
import { demandStrongPassword } from './password-rules.ts'

const breached = 'Zebra!unicycle7 under marzipan'
let home: string
let app: TestApp
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'passwords-'))
  const hashes = [breached, 'another', 'a third'].map((password) => createHash('sha1').update(password).digest('hex').toUpperCase())
  await writeFile(join(home, 'hibp.txt'), hashes.sort().map((hash) => `${hash}:3\r\n`).join(''))
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100', HIBP_FILE: join(home, 'hibp.txt') } })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

let people = 0
const newEmail = () => `p${(people += 1)}@example.org`
const signIn = (email: string, password: string, at = app) => at.call('POST', '/auth/sign-in', { body: { email, password } })
const signUp = (password: string, { email = newEmail(), name, at = app }: { email?: string; name?: string; at?: TestApp } = {}) => at.call('POST', '/auth/sign-up', { body: { email, password, ...(name ? { name } : {}) } })
const codesOf = ({ body }: { body: { errors?: { path: string; code?: string }[] } }) => body.errors?.map(({ path, code }) => `${path}: ${code ?? ''}`)

describe('a password is verified exactly as received (control A5)', () => {
  const composed = 'Très étonné à Noël 7!'.normalize('NFC')
  test.each([
    ['spaces around it', '  correct horse battery  ', ['correct horse battery', ' correct horse battery  ', '  correct horse battery']],
    ['composed letters', composed, [composed.normalize('NFD')]],
    ['decomposed letters', composed.normalize('NFD'), [composed]],
    ['emoji', '🦊🌲🛰️🥨🧭🪕🏔️🎻🚲🧀🪁🌋', ['🦊🌲🛰🥨🧭🪕🏔🎻🚲🧀🪁🌋']],
    ['full-width letters', 'ｃｏｒｒｅｃｔ ｈｏｒｓｅ ７７', ['correct horse 77']],
    ['a tab, a line break and a NUL', 'correct\thorse\nbattery\u0000 7', ['correct horse battery 7', 'correct\thorse\nbattery']],
    ['128 characters beyond the basic plane', '🦊🌲🧭🪕🎻🚲🧀🪁'.repeat(16), ['🦊🌲🧭🪕🎻🚲🧀🪁'.repeat(15)]],
  ])('with %s', async (_what, password, wrong) => {
    const email = newEmail()
    const passwordHash = await app.deps.passwords.hash(password)
    await app.deps.db.transaction((tx) => insertUser(app.deps, tx, { email, name: null, locale: 'en', role: 'user', passwordHash }))
    for (const other of wrong) expect((await signIn(email, other)).status, JSON.stringify(other)).toBe(401)
    expect((await signIn(email, password)).status).toBe(200)
  })
})

describe('a new password', () => {
  test.each([
    ['of eleven characters', 'Xq7!vR2#mK9', 'too_short'],
    ['of six emoji, though they are twelve code units', '🦊🌲🧭🪕🎻🚲', 'too_short'],
    ['of 129 characters', 'Xq7!vR2#mK9 '.repeat(11).slice(0, 129), 'too_long'],
    ['that is common', 'unbelievable', 'common'],
    ['that is common but for its capitals', 'UnBelievable', 'common'],
    ['that is soon guessed', 'password123456', 'too_guessable'],
    ['that is one pattern', 'qwertyuiop[]asdf', 'too_guessable'],
    ['that repeats', 'abcabcabcabcabcabc', 'too_guessable'],
    ['that is known from a breach', breached, 'breached'],
  ])('%s is refused, with a code that says why', async (_what, password, code) => {
    const before = await app.deps.sql`select count(*) as n from email_flows`
    const answer = await signUp(password)
    expect([answer.status, answer.body.code, codesOf(answer)]).toEqual([422, 'validation_failed', [`password: ${code}`]])
    expect(answer.body.errors[0].message).not.toContain(password)
    expect(await app.deps.sql`select count(*) as n from email_flows`).toEqual(before)
  })

  test.each([
    ['is the e-mail address', 'grace.hopper@example.org'],
    ['is the e-mail address in disguise', 'Gr4c3-H0pp3r!'],
    ['is the e-mail address backwards', 'reppoh.ecarg 1'],
  ])('that %s is refused', async (_what, password) => {
    expect(codesOf(await signUp(password, { email: 'grace.hopper@example.org' }))).toContain('password: contains_email')
  })

  test('that is made of the name is refused, and all reasons are told', async () => {
    expect(codesOf(await signUp('AdaLovelace-1815', { name: 'Ada Lovelace' }))).toEqual(['password: contains_name'])
    expect(codesOf(await signUp('ada.lovelace!', { name: 'Ada Lovelace', email: 'ada.lovelace@example.org' }))).toEqual(['password: contains_email', 'password: contains_name'])
  })

  test.each(['correct horse battery staple 7', 'wunderbar Ofenrohr Kaktus', ' leading and trailing spaces ', '🦊🌲🧭🪕🎻🚲🧀🪁🌋🥨🛰️🏔️', 'tu7Vb!x_Q0pz'])('that is hard to guess is taken: %s', async (password) => {
    expect((await signUp(password)).status).toBe(202)
  })

  test('none of the common ones is taken, not even by an operator', async () => {
    const common = dictionary['passwords-common'].filter(({ length }) => length >= 12)
    expect(common.length).toBeGreaterThan(100)
    const taken: string[] = []
    for (const password of common) await demandStrongPassword(app.deps, password, { email: 'x@example.org' }).then(() => taken.push(password), () => undefined)
    expect(taken).toEqual([])
    await expect(createUser(app.as.operator(), { email: newEmail(), password: common[0] ?? '', role: 'user' })).rejects.toMatchObject({ errors: [{ code: 'common' }] })
  })

  test('is measured in bounded time, whatever it is', async () => {
    for (const part of ['@4p1$', '1lI!|', '4@8({[<3691!0$5+72%', 'qwertyuiop']) {
      const start = performance.now()
      await signUp(part.repeat(30).slice(0, 128))
      expect(performance.now() - start).toBeLessThan(3_000)
    }
  })
})

describe('the strict rule', () => {
  let strict: TestApp
  beforeAll(async () => {
    strict = await startTestApp({ settings: { PASSWORD_STRICT: 'on', RATE_LIMIT_FACTOR: '100' } })
  })
  afterAll(() => strict[Symbol.asyncDispose]())

  test.each([
    ['correct horse battery staple 7', ['password: no_mixed_case', 'password: no_symbol']],
    ['Correct horse battery staple 7', ['password: no_symbol']],
    ['correct horse battery staple!', ['password: no_mixed_case']],
  ])('asks for mixed case and a symbol: %s', async (password, codes) => {
    expect(codesOf(await signUp(password, { at: strict }))).toEqual(codes)
    expect((await signUp(password)).status).toBe(202)
  })

  test('lets pass what has them', async () => {
    expect((await signUp('Correct horse battery staple!', { at: strict })).status).toBe(202)
  })

  test('is told by /server, like the rest', async () => {
    expect((await strict.call('GET', '/server')).body.passwordRules).toEqual({ minLength: 12, maxLength: 128, mixedCase: true, symbol: true, breachedRefused: false })
    expect((await app.call('GET', '/server')).body.passwordRules).toEqual({ minLength: 12, maxLength: 128, mixedCase: false, symbol: false, breachedRefused: true })
  })
})

describe('when the parameters of hashes rise', () => {
  const password = 'correct horse battery staple 7'
  const weak = { memoryCost: 8_192, timeCost: 1, parallelism: 1 }
  const withWeakHash = async () => {
    const email = newEmail()
    const passwordHash = await argon2.hash(password, weak)
    const id = await app.deps.db.transaction((tx) => insertUser(app.deps, tx, { email, name: null, locale: 'en', role: 'user', passwordHash }))
    return { email, id: id ?? '', passwordHash }
  }
  const hashOf = async (id: string): Promise<string> => (await app.deps.sql`select password_hash from users where id = ${id}`)[0]?.['password_hash'] as string

  test('the hash is made anew at the next sign-in, and not at those after', async () => {
    const { email, id } = await withWeakHash()
    expect((await signIn(email, 'wrong')).status).toBe(401)
    expect(await hashOf(id)).toContain('m=8192,t=1')
    expect((await signIn(email, password)).status).toBe(200)
    const risen = await hashOf(id)
    expect(risen).toContain('m=19456,t=2')
    expect((await signIn(email, password)).status).toBe(200)
    expect(await hashOf(id)).toBe(risen)
  })

  test('a password that is changed meanwhile stays changed', async () => {
    const { id, email } = await withWeakHash()
    const changed = await argon2.hash('another password altogether', weak)
    const real = createPasswords()
    const passwords: Passwords = {
      ...real,
      // the change comes while the old password is being hashed anew
      hash: async (given) => {
        await app.deps.sql`update users set password_hash = ${changed} where id = ${id}`
        return real.hash(given)
      },
    }
    await using racing = await startTestApp({ database: app.database, dataDir: app.dataDir, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { passwords } })
    expect((await signIn(email, password, racing)).body.code).toBe('invalid_credentials')
    expect(await hashOf(id)).toBe(changed)
    expect(await app.deps.sql`select id from sessions where user_id = ${id}`).toEqual([])
  })
})

describe('HIBP_FILE', () => {
  test('that cannot be read is named at the start', async () => {
    await expect(startTestApp({ settings: { HIBP_FILE: join(home, 'absent.txt') } })).rejects.toThrow(/HIBP_FILE: .*absent\.txt cannot be read/)
  })
})
