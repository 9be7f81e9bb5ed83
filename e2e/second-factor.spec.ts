/** Signing in with more than a password: codes, recovery codes and passkeys (control A9). */
import type { Page } from '@playwright/test'
import { expect, giveCode, givePassword, signIn, test, withBrowser } from './fixtures.ts'

/**
 * A virtual authenticator with a fingerprint that always fits (WebDriver's, by the DevTools protocol). While `present(true)`, as at
 * first, each request for a passkey that it holds is answered at once, also one that only offers it; while `present(false)`, none is.
 * `presentFrom`: present as soon as the browser asks for the path.
 */
async function addVirtualAuthenticator(page: Page): Promise<{ present(enabled: boolean): Promise<void>; presentFrom(path: string): Promise<void> }> {
  const session = await page.context().newCDPSession(page)
  await session.send('WebAuthn.enable')
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  })
  const present = async (enabled: boolean) => void (await session.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled }))
  return {
    present,
    // Earlier, an offer that is still on its way to the authenticator would be answered.
    presentFrom: async (path) => void (await page.route((url) => url.pathname === path, async (route) => {
      await present(true)
      await route.continue()
    }, { times: 1 })),
  }
}

/** What a page asked of navigator.credentials.get(): told as it is asked, and when it is aborted. */
async function watchRequests(page: Page): Promise<string[]> {
  const requests: string[] = []
  await page.exposeFunction('tellRequest', (what: string) => requests.push(what))
  await page.addInitScript(() => {
    const { tellRequest } = globalThis as unknown as { tellRequest: (what: string) => void }
    const get = navigator.credentials.get.bind(navigator.credentials)
    navigator.credentials.get = (options) => {
      const how = options?.mediation ?? 'asked'
      tellRequest(`${how} at ${location.pathname}`)
      options?.signal?.addEventListener('abort', () => tellRequest(`${how} aborted`))
      return get(options)
    }
  })
  return requests
}

test('a wrong code is refused, a right one lets in, and no code lets in twice', async ({ page, moderator }) => {
  await page.goto('/sign-in?next=%2Ftitles')
  await givePassword(page, moderator)
  await giveCode(page, '000000')
  await expect(page.getByRole('alert').first()).toContainText('That code is wrong, or was used already.')
  const code = await moderator.authenticator.code()
  await giveCode(page, code)
  await expect(page).toHaveURL('/titles')

  await page.getByRole('button', { name: 'Sign out' }).click()
  await givePassword(page, moderator)
  await giveCode(page, code)
  await expect(page.getByRole('alert').first()).toContainText('was used already')
  await page.goto('/titles')
  await expect(page).toHaveURL(/\/sign-in/)
})

test('a recovery code stands in for the app, once', async ({ page, moderator }) => {
  const [code = ''] = moderator.authenticator.recoveryCodes
  const byRecoveryCode = async () => {
    await page.goto('/sign-in')
    await givePassword(page, moderator)
    await page.getByText('Use a recovery code instead').click()
    await page.getByLabel('Recovery code').fill(code.toUpperCase())
    await page.getByRole('button', { name: 'Sign in with the recovery code' }).click()
  }
  await byRecoveryCode()
  await expect(page.getByRole('heading', { level: 1, name: 'Queue' })).toBeVisible()
  await page.goto('/account/security')
  await expect(page.getByText('9 codes left.')).toBeVisible()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await byRecoveryCode()
  await expect(page.getByRole('alert').first()).toContainText('That recovery code is wrong, or was used already.')
})

test('a sign-in that was tried too often begins again, with a sentence', async ({ page, moderator }) => {
  await page.goto('/sign-in?next=%2Ftitles')
  await givePassword(page, moderator)
  for (let tries = 0; tries < 5; tries += 1) {
    await giveCode(page, '000000')
    await expect(page.getByRole('alert').first()).toContainText('That code is wrong')
  }
  await giveCode(page, '000000')
  await expect(page.getByRole('alert')).toContainText('That took too long, or was tried too often. Sign in again.')
  // where they were going is kept
  await givePassword(page, moderator)
  await giveCode(page, await moderator.authenticator.code())
  await expect(page).toHaveURL('/titles')
})

test('a passkey is the first factor of a new moderator, and then signs in without a name', async ({ page, instance }, info) => {
  const person = await instance.makeUnenrolled()
  const fingerprint = await addVirtualAuthenticator(page)
  const requests = await watchRequests(page)
  await page.goto('/titles')
  await givePassword(page, person)
  await expect(page.getByRole('heading', { name: 'Protect your account first' })).toBeVisible()
  await page.getByLabel('Name of the passkey').fill('This laptop')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await expect(page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem')).toHaveCount(10)
  await page.screenshot({ path: info.outputPath('recovery-codes.png') })
  await page.getByRole('link', { name: 'I have kept them, go on' }).click()
  await expect(page).toHaveURL('/titles')

  // where the e-mail is typed it is offered, for as long as nothing else is chosen
  await fingerprint.present(false)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.goto('/titles?state=rejected')
  await expect(page.getByLabel('E-mail')).toHaveAttribute('autocomplete', 'username webauthn')
  await expect.poll(() => requests.splice(0).at(-1)).toBe('conditional at /sign-in')
  await fingerprint.presentFrom('/sign-in/passkey')
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
  await expect(page).toHaveURL('/titles?state=rejected')
  expect(requests.splice(0)).toEqual(['conditional aborted', 'asked at /sign-in/passkey'])

  // and as a second factor after the password
  await fingerprint.present(false)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect.poll(() => requests.splice(0)).toEqual(['conditional at /sign-in'])
  await fingerprint.presentFrom('/sign-in')
  await givePassword(page, person)
  await expect(page.getByRole('heading', { level: 1, name: 'Queue' })).toBeVisible()
  await page.goto('/account/security')
  await expect(page.getByText('This laptop')).toBeVisible()
  await expect(page.getByText('last used just now')).toBeVisible()

  // staff keep one
  await page.getByLabel('Remove This laptop…').click()
  await page.getByRole('button', { name: 'Remove the passkey This laptop' }).click()
  await expect(page.getByRole('alert')).toContainText('Staff keep a second factor')
  await expect(page.getByText('This laptop')).toBeVisible()
})

test('a passkey that the browser offers for the e-mail signs in, and leads to where one was going', async ({ page, instance }) => {
  const person = await instance.makeUnenrolled()
  const fingerprint = await addVirtualAuthenticator(page)
  await page.goto('/sign-in')
  await givePassword(page, person)
  await page.getByLabel('Name of the passkey').fill('This laptop')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByRole('link', { name: 'I have kept them, go on' }).click()
  await fingerprint.present(false)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByText('You are signed out.')).toBeVisible()

  // Chromium's virtual authenticator picks it as soon as it is offered
  await fingerprint.present(true)
  await page.goto('/titles?state=rejected')
  await expect(page).toHaveURL('/titles?state=rejected')
  await expect(page.getByRole('heading', { name: 'Titles', exact: true })).toBeVisible()
  await page.goto('/account/sessions')
  await expect(page.getByText('This one')).toHaveCount(1)
})

test('a passkey is offered anew before its challenge ends, while somebody looks', async ({ page }) => {
  await addVirtualAuthenticator(page)
  const requests = await watchRequests(page)
  const look = (state: 'visible' | 'hidden') =>
    page.evaluate((visibilityState) => {
      Object.defineProperty(document, 'visibilityState', { value: visibilityState, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, state)
  await page.clock.install()
  await page.goto('/sign-in')
  await expect.poll(() => requests.splice(0)).toEqual(['conditional at /sign-in'])
  await page.clock.fastForward('04:30')
  await expect.poll(() => requests.splice(0).at(-1)).toBe('conditional at /sign-in')

  let offers = 0
  page.on('request', (request) => void (offers += request.url().endsWith('/sign-in/passkey/offer') ? 1 : 0))
  await look('hidden')
  await page.clock.fastForward('04:30')
  // what the script asks of the browser first, so that it has had its turn
  await page.evaluate(() => PublicKeyCredential.isConditionalMediationAvailable())
  await page.evaluate(() => document.readyState)
  expect(offers).toBe(0)
  await look('visible')
  await expect.poll(() => requests.splice(0).at(-1)).toBe('conditional at /sign-in')
})

test('a browser without the passkey is told so, and offers the password', async ({ page, browser, instance }) => {
  await addVirtualAuthenticator(page)
  await page.goto('/sign-in')
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
  await expect(page.getByRole('alert')).toContainText('No passkey was used')
  await page.getByRole('link', { name: 'Sign in with the password instead' }).click()
  await expect(page.getByLabel('Password')).toBeVisible()
  await withBrowser(browser, { baseURL: instance.url, javaScriptEnabled: false }, async (plain) => {
    await plain.goto('/sign-in')
    await plain.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await expect(plain.getByText('Passkeys need JavaScript')).toBeVisible()
  })
})

test('factors are added and removed, and new recovery codes end the old ones', async ({ page, moderator }) => {
  await addVirtualAuthenticator(page)
  await signIn(page, moderator)
  await page.goto('/account/security')
  await page.getByLabel('Name of the passkey').fill('Security key')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await expect(page.getByRole('status')).toHaveText('Your passkey is added.')
  await page.getByText('Remove the app…').click()
  await page.getByRole('button', { name: 'Remove the authenticator app' }).click()
  await expect(page.getByRole('status')).toContainText('Your authenticator app is removed.')
  await expect(page.getByRole('button', { name: 'Set up an authenticator app' })).toBeVisible()

  await page.getByRole('link', { name: 'Make new codes' }).click()
  await page.getByRole('button', { name: 'Make ten new codes' }).click()
  const codes = await page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').allInnerTexts()
  expect(codes).toHaveLength(10)
  expect(codes).not.toEqual(expect.arrayContaining(moderator.authenticator.recoveryCodes.slice(0, 1)))
})
