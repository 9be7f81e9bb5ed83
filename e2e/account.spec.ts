/** What people of the console do about their own account: name, address, password, sessions, proofs, leaving. */
import type { Page } from '@playwright/test'
import { expect, givePassword, passSignIn, signIn, test, withBrowser } from './fixtures.ts'
import { keyboardOf } from './keyboard.ts'

const openAccount = async (page: Page, label: string) => {
  await page.goto('/account')
  await page.getByRole('navigation', { name: 'Account' }).getByRole('link', { name: label }).click()
}

test('the name in the menu leads to the account, where it is changed', async ({ page, moderator }) => {
  await signIn(page, moderator)
  await page.getByRole('link', { name: /^Account/ }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Your account' })).toBeVisible()
  // no script of the app runs where passwords are typed
  await expect(page.locator('script[type=module]')).toHaveCount(0)
  await page.getByLabel('Name').fill('Mo Dératrice <b>')
  await page.getByLabel('Language of mails').selectOption('fr')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('status')).toHaveText('Saved.')
  await expect(page.getByRole('link', { name: 'Mo Dératrice <b>' })).toBeVisible()
  await page.reload()
  await expect(page.getByLabel('Language of mails')).toHaveValue('fr')
})

test('another password ends the other sessions, and the old one opens nothing', async ({ page, browser, instance, moderator }) => {
  await signIn(page, moderator)
  await withBrowser(browser, { baseURL: instance.url }, async (elsewhere) => {
    await signIn(elsewhere, moderator)
    await openAccount(page, 'Password')
    const change = async (current: string, next: string) => {
      await page.getByLabel('Current password').fill(current)
      await page.getByLabel('New password').fill(next)
      await page.getByRole('button', { name: 'Change the password' }).click()
    }
    await change(moderator.password, 'Password123456')
    await expect(page.getByText(/New password is too easy to guess/)).toBeVisible()
    await expect(page.getByLabel('Current password')).toHaveValue('')
    await change('not my password', 'otter lantern 77 quarry')
    await expect(page.getByText('Current password is wrong.')).toBeVisible()
    await change(moderator.password, 'otter lantern 77 quarry')
    await expect(page.getByRole('status')).toContainText('Your password is changed.')

    await elsewhere.goto('/titles')
    await expect(elsewhere).toHaveURL(/\/sign-in/)
    await givePassword(elsewhere, moderator)
    await expect(elsewhere.getByRole('alert')).toHaveText('The e-mail address or the password is wrong.')
    await givePassword(elsewhere, { ...moderator, password: 'otter lantern 77 quarry' })
    await expect(elsewhere.getByLabel('Code', { exact: true })).toBeVisible()
  })
})

test('another address is used once the code that went there is typed', async ({ page, instance, moderator }) => {
  const address = `moved-${moderator.email}`
  await signIn(page, moderator)
  await openAccount(page, 'E-mail')
  await page.getByLabel('New address').fill(moderator.email)
  await page.getByRole('button', { name: 'Send the code' }).click()
  await expect(page.getByText('New address is your address already.')).toBeVisible()
  await page.getByLabel('New address').fill(address)
  await page.getByRole('button', { name: 'Send the code' }).click()
  await expect(page.getByText(address)).toBeVisible()
  await page.getByLabel('Code').fill('12345678')
  await page.getByRole('button', { name: 'Use the new address' }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  await page.getByLabel('Code').fill(await instance.mailedCode(address))
  await page.getByRole('button', { name: 'Use the new address' }).click()
  await expect(page.getByRole('status')).toContainText('Your new address is in use')
  await expect(page.getByText(`You sign in with ${address}`)).toBeVisible()
})

test('sessions are seen and ended, one or all others', async ({ page, browser, instance, moderator }) => {
  await signIn(page, moderator)
  await withBrowser(browser, { baseURL: instance.url }, async (elsewhere) => {
    await signIn(elsewhere, moderator)
    await page.goto('/account/sessions')
    await expect(page.getByText('This one')).toHaveCount(1)
    // the app's session in which the authenticator app was set up, and that other browser
    const others = page.getByRole('button', { name: /^End the session of/ })
    await expect(others).toHaveCount(2)
    await page.getByRole('button', { name: /^End the session of .* on Linux/ }).click()
    await expect(page.getByRole('status')).toHaveText('That session has ended.')
    await expect(others).toHaveCount(1)
    await elsewhere.goto('/')
    await expect(elsewhere).toHaveURL(/\/sign-in/)
    await page.getByRole('button', { name: 'End all others' }).click()
    await expect(page.getByRole('status')).toHaveText('All your other sessions have ended.')
    await expect(others).toHaveCount(0)
  })
  await page.getByRole('button', { name: 'Sign out everywhere, here too' }).click()
  await expect(page.getByText('You are signed out.')).toBeVisible()
  await page.goto('/titles')
  await expect(page).toHaveURL(/\/sign-in/)
})

test('a copy of the data is made and fetched once', async ({ page, moderator }) => {
  await signIn(page, moderator)
  await openAccount(page, 'Your data')
  await page.getByRole('button', { name: 'Make a copy' }).click()
  const link = page.getByRole('link', { name: 'Download the copy' })
  await expect(async () => {
    await page.goto('/account/data')
    await expect(link).toBeVisible({ timeout: 500 })
  }).toPass()
  const downloading = page.waitForEvent('download')
  await link.click()
  expect((await downloading).suggestedFilename()).toBe('my-data.json')
  await page.goto('/account/data')
  await expect(page.getByText('The last copy was fetched.')).toBeVisible()
})

test('an account is deleted after a time of grace, and kept by who signs in before', async ({ page, moderator }) => {
  await signIn(page, moderator)
  await openAccount(page, 'Your data')
  await page.getByRole('button', { name: 'Delete the account' }).click()
  await expect(page.getByLabel('Yes, delete my account.')).toBeFocused()
  await page.getByLabel('Yes, delete my account.').check()
  await page.getByRole('button', { name: 'Delete the account' }).click()
  await expect(page.getByRole('status')).toContainText('Your account will be erased on')
  await page.goto('/titles')
  await expect(page).toHaveURL(/\/sign-in/)
  await passSignIn(page, moderator)
  await expect(page).toHaveURL('/titles')
})

test('an old proof is asked for again, on a page of its own, that leads back and puts no address into one', async ({ page, instance, moderator }) => {
  await signIn(page, moderator)
  await openAccount(page, 'E-mail')
  await page.getByLabel('New address').fill('new.me@example.org')
  await instance.ageProofs(moderator)
  await page.getByRole('button', { name: 'Send the code' }).click()
  await expect(page.getByRole('heading', { name: 'Is it you?' })).toBeVisible()
  await page.getByLabel('Password').fill(moderator.password)
  await page.getByLabel('Code').fill('000000')
  await page.getByRole('button', { name: 'Go on' }).click()
  await expect(page.getByRole('alert')).toContainText('The password or the code is wrong')
  await page.getByLabel('Password').fill(moderator.password)
  await page.getByLabel('Code').fill(await moderator.authenticator.code())
  await page.getByRole('button', { name: 'Go on' }).click()
  await expect(page).toHaveURL('/account/email')
  await page.getByLabel('New address').fill('new.me@example.org')
  await page.getByRole('button', { name: 'Send the code' }).click()
  await expect(page.getByText('A mail with a code of 8 digits')).toBeVisible()

  await instance.ageProofs(moderator)
  await page.goto('/account/password')
  await expect(page.getByRole('heading', { name: 'Is it you?' })).toBeVisible()
  await page.getByLabel('Password').fill(moderator.password)
  await page.getByLabel('Code').fill(moderator.authenticator.recoveryCodes[0] ?? '')
  await page.getByRole('button', { name: 'Go on' }).click()
  await expect(page).toHaveURL('/account/password')

  await instance.ageProofs(moderator)
  await page.goto('/account/security')
  await page.getByText('Remove the app…').click()
  await page.getByRole('button', { name: 'Remove the authenticator app' }).click()
  await expect(page.getByRole('heading', { name: 'Is it you?' })).toBeVisible()
  await page.goto('/account/security')
  await expect(page.getByText('Remove the app…')).toBeVisible()
})

test('who has no mouse signs in, changes the password and signs out', async ({ page, instance, moderator }) => {
  const newPassword = 'otter lantern 77 quarry'
  const { press, seesFocusOn, type } = keyboardOf(page)
  const typePassword = async (password: string) => {
    await seesFocusOn(page.getByLabel('E-mail'))
    await page.keyboard.type(moderator.email)
    await type(page.getByLabel('Password'), password)
    await press(page.getByRole('button', { name: 'Sign in', exact: true }))
    await seesFocusOn(page.getByLabel('Code', { exact: true }))
  }

  await page.goto('/sign-in')
  await typePassword(moderator.password)
  await page.keyboard.type(await moderator.authenticator.code())
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Queue' })).toBeVisible()

  await press(page.getByRole('link', { name: /^Account/ }))
  await expect(page.getByRole('heading', { level: 1, name: 'Your account' })).toBeVisible()
  await instance.ageProofs(moderator)
  await press(page.getByRole('navigation', { name: 'Account' }).getByRole('link', { name: 'Password' }))
  await expect(page.getByRole('heading', { name: 'Is it you?' })).toBeVisible()
  await seesFocusOn(page.getByLabel('Password'))
  await page.keyboard.type(moderator.password)
  await type(page.getByLabel('Code'), await moderator.authenticator.code())
  await press(page.getByRole('button', { name: 'Go on' }))
  await expect(page).toHaveURL('/account/password')

  await type(page.getByLabel('Current password'), moderator.password)
  await type(page.getByLabel('New password'), newPassword)
  await press(page.getByRole('button', { name: 'Change the password' }))
  await expect(page.getByRole('status')).toContainText('Your password is changed.')

  await press(page.getByRole('button', { name: 'Sign out' }))
  await expect(page.getByText('You are signed out.')).toBeVisible()
  await typePassword(newPassword)
})
