import { createTransport } from 'nodemailer'
import PostalMime from 'postal-mime'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testPassword } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { codeOf } from '../../test/mails.ts'
import * as mails from './mails.ts'
import type { Letter, Locale } from './mails.ts'

const at = new Date('2026-03-04T05:06:07Z')
const device = { name: '<b>Phone & "co"</b>', network: '203.0.113.0/24', at }
const all: Record<string, (locale: Locale) => Letter> = {
  signUpCode: (locale) => mails.signUpCode(locale, { code: '01234567', minutes: 15 }),
  alreadyRegistered: (locale) => mails.alreadyRegistered(locale),
  passwordResetCode: (locale) => mails.passwordResetCode(locale, { code: '01234567', minutes: 15 }),
  emailChangeCode: (locale) => mails.emailChangeCode(locale, { code: '01234567', minutes: 15 }),
  emailChanged: (locale) => mails.emailChanged(locale, { to: 'a…@example.org' }),
  passwordChanged: (locale) => mails.passwordChanged(locale),
  'factorsChanged: added': (locale) => mails.factorsChanged(locale, { what: 'added' }),
  'factorsChanged: removed': (locale) => mails.factorsChanged(locale, { what: 'removed' }),
  'factorsChanged: reset': (locale) => mails.factorsChanged(locale, { what: 'reset' }),
  'factorsChanged: recovery_codes': (locale) => mails.factorsChanged(locale, { what: 'recovery_codes' }),
  newDevice: (locale) => mails.newDevice(locale, device),
  deletionScheduled: (locale) => mails.deletionScheduled(locale, { at }),
  deletionCancelled: (locale) => mails.deletionCancelled(locale),
}
const textIn = (html: string) => html.replaceAll(/<style.*?<\/style>|<title>.*?<\/title>|<[^>]*>/gs, ' ').replaceAll('&amp;', '&').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'")
const words = (text: string) => text.replaceAll(/[:\s-]+/g, ' ').trim()

/** As a mail program reads it, after it was on the way. */
async function arrived({ subject, text, html }: Letter) {
  const { message } = await createTransport({ streamTransport: true, buffer: true }).sendMail({ from: 'films@example.org', to: 'ann@example.org', subject, text, ...(html ? { html } : {}) })
  return PostalMime.parse(message as Buffer)
}

describe.each(Object.entries(all))('%s', (_name, make) => {
  test.each(['en', 'fr'] as const)('in %s says the same in text and in HTML', async (locale) => {
    const made = make(locale)
    const mail = await arrived(made)
    expect(mail.subject).toBe(made.subject)
    expect(mail.html).toContain(`lang="${locale}"`)
    const html = words(textIn(mail.html ?? ''))
    for (const part of (mail.text ?? '').split('\n\n')) expect(html).toContain(words(part))
  })

  test('is another in the other language', async () => {
    const [english, french] = [await arrived(make('en')), await arrived(make('fr'))]
    expect(french.subject).not.toBe(english.subject)
    expect(french.text).toMatch(/\b(vous|votre|est|le)\b/i)
    expect(english.text).not.toMatch(/\b(vous|votre)\b/i)
  })
})

test('every letter that there is stands in the list above', () => {
  const made = Object.keys(mails).filter((name) => name !== 'localeOf')
  expect(new Set(Object.keys(all).map((name) => name.split(':')[0]))).toEqual(new Set(made))
})

test('a code that may have been asked for in the console as well as in an app says where to type it', () => {
  for (const make of [mails.passwordResetCode, mails.emailChangeCode]) {
    expect(words(make('en', { code: '01234567', minutes: 15 }).text)).toContain('where you asked for it, in the app or in the browser')
    expect(words(make('fr', { code: '01234567', minutes: 15 }).text)).toContain('là où vous l’avez demandé, dans l’application ou dans le navigateur')
  }
})

test('what a device calls itself is text', async () => {
  const { html, text } = await arrived(mails.newDevice('en', device))
  expect(html).toContain('&lt;b&gt;Phone &amp; &quot;co&quot;&lt;/b&gt;')
  expect(html).not.toContain('<b>')
  expect(text).toContain('Device: <b>Phone & "co"</b>')
})

test('times are in the language of the reader, and in UTC', () => {
  expect(mails.newDevice('en', device).text).toContain('March 4, 2026 at 5:06 AM UTC')
  expect(mails.newDevice('fr', device).text).toContain('4 mars 2026 à 05:06 UTC')
  expect(mails.deletionScheduled('fr', { at }).text).toContain('4 mars 2026')
})

describe('the language of the person decides', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' } })
  })
  afterAll(() => app[Symbol.asyncDispose]())

  test('from the sign-up on', async () => {
    const email = 'amelie@example.org'
    const { body } = await app.call('POST', '/auth/sign-up', { body: { email, password: testPassword, locale: 'fr', name: '<i>Amélie</i>' } })
    const welcome = await app.outbox.next(email)
    expect([welcome.subject, welcome.html?.includes('lang="fr"')]).toEqual(['Votre code d’inscription', true])
    expect((await app.call('POST', '/auth/verify-email', { body: { flowId: body.flowId, code: codeOf(welcome) } })).status).toBe(200)

    // whoever asks, and in whatever language they write
    await app.call('POST', '/auth/sign-up', { body: { email, password: testPassword, locale: 'en' } })
    expect((await app.outbox.next(email)).subject).toBe('Vous avez déjà un compte')
    const forgot = await app.call('POST', '/auth/forgot-password', { body: { email } })
    const code = await app.outbox.next(email)
    expect(code.subject).toBe('Votre code pour un nouveau mot de passe')
    await app.call('POST', '/auth/reset-password', { body: { flowId: forgot.body.flowId, code: codeOf(code), newPassword: 'eleven quiet harbours at dusk' } })
    expect((await app.outbox.next(email)).subject).toBe('Votre mot de passe a été changé')
  })
})
