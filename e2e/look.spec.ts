/** Every page in both themes and on a narrow phone: nothing that axe objects to, nothing that does not fit. Pictures are kept. */
import AxeBuilder from '@axe-core/playwright'
import type { Page, TestInfo } from '@playwright/test'
import { expect, giveCode, givePassword, lineOf, signIn, test } from './fixtures.ts'

const views = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 360, height: 740 } },
  { name: 'wide', colorScheme: 'dark', viewport: { width: 2560, height: 1440 } },
] as const

const longTitle = 'A title that goes on for longer than any title should, because whoever offered it did not know when to stop: the complete and unabridged director’s cut'

for (const { name, ...view } of views) {
  test.describe(name, () => {
    test.use(view)

    test('every page is accessible and fits', async ({ page, instance, moderator }, info) => {
      test.slow()
      const look = lookAt(page, info)
      await instance.offer(`${longTitle} (${name})`, { description: 'One line.\n\nAnother.', files: [`${'folder/'.repeat(9)}Feature.mp4`, 'Feature.mkv', 'notes.txt'] })

      await page.goto('/sign-in')
      await look('sign-in')
      await page.getByLabel('E-mail').fill(moderator.email)
      await page.getByLabel('Password').fill('wrong')
      await page.getByRole('button', { name: 'Sign in', exact: true }).click()
      await expect(page.getByRole('alert')).toBeVisible()
      await look('sign-in refused')
      await page.goto('/forgot-password')
      await look('forgotten password')
      await page.getByLabel('E-mail').fill(`a.rather.long.address.of.somebody.${name}@mail.example.org`)
      await page.getByRole('button', { name: 'Send the code' }).click()
      await look('new password')
      await page.getByLabel('Code').fill('12345678')
      await page.getByLabel('New password').fill('password1234')
      await page.getByRole('button', { name: 'Set the new password' }).click()
      await expect(page.getByRole('alert')).toBeVisible()
      await look('new password refused')
      await page.getByRole('button', { name: 'Send another code' }).click()
      await look('another code')
      await page.goto('/sign-in?reset')
      await look('sign-in with a new password')
      await page.goto('/set-up/nothing')
      await look('set-up')
      await page.goto('/sign-in')
      await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
      await expect(page.getByRole('alert')).toContainText('No passkey was used')
      await look('sign-in by passkey')
      await page.goto('/sign-in')
      await givePassword(page, moderator)
      await look('second factor')
      await page.getByText('Use a recovery code instead').click()
      await giveCode(page, '000000')
      await expect(page.getByRole('alert').first()).toBeVisible()
      await look('second factor refused')

      await signIn(page, moderator)
      await look('queue')
      const line = lineOf(page, `${longTitle} (${name})`)
      await line.getByText('Reject…').click()
      await look('reject')
      await line.getByRole('link').first().click()
      await expect(page.getByRole('heading', { level: 2, name: '3 files' })).toBeVisible()
      await look('title')
      await page.getByRole('button', { name: /^Get a link/ }).click()
      await expect(page.getByLabel(/Give this link/)).toBeVisible()
      await look('title with a link')
      await page.getByRole('button', { name: /^Approve/ }).click()
      await expect(page.getByRole('status')).toBeVisible()
      await page.getByText('Take down…').click()
      await look('takedown')
      await page.goto('/titles?state=approved')
      await look('titles')
      await page.goto('/titles?state=taken_down')
      await look('no titles')
      await page.goto('/titles/00000000-0000-4000-8000-000000000000')
      await look('no such title')
      await page.goto('/nowhere')
      await look('no such page')
    })

    test('so is every page about oneself', async ({ page, instance, moderator }, info) => {
      test.slow()
      const look = lookAt(page, info)
      await signIn(page, moderator)
      await instance.ageProofs(moderator)
      await page.goto('/account/password')
      await look('step-up')
      await page.getByLabel('Password').fill(moderator.password)
      await page.getByLabel('Code').fill('000000')
      await page.getByRole('button', { name: 'Go on' }).click()
      await look('step-up refused')
      await page.getByLabel('Password').fill(moderator.password)
      await page.getByLabel('Code').fill(await moderator.authenticator.code())
      await page.getByRole('button', { name: 'Go on' }).click()
      await look('password')
      await page.getByLabel('Current password').fill(moderator.password)
      await page.getByLabel('New password').fill('password1234')
      await page.getByRole('button', { name: 'Change the password' }).click()
      await look('password refused')
      for (const name of ['', 'email', 'security', 'sessions', 'data']) {
        await page.goto(`/account/${name}`)
        await expect(page.getByRole('heading', { level: 1, name: 'Your account' })).toBeVisible()
        await look(name || 'profile')
      }
      await page.goto('/account/email')
      await page.getByLabel('New address').fill(`a.rather.long.address.of.somebody.${name}@mail.example.org`)
      await page.getByRole('button', { name: 'Send the code' }).click()
      await look('email code')
      await page.goto('/account/security/recovery-codes')
      await look('new recovery codes')
      await page.getByRole('button', { name: 'Make ten new codes' }).click()
      await look('recovery codes')
      await page.goto('/account/security')
      await page.getByText('Remove the app…').click()
      await look('remove the app')
      await page.getByRole('button', { name: 'Remove the authenticator app' }).click()
      await expect(page.getByRole('alert')).toBeVisible()
      await page.getByRole('button', { name: 'Move to another app' }).click()
      await look('authenticator')
      await page.getByLabel('Code').fill('000000')
      await page.getByRole('button', { name: 'Confirm the code' }).click()
      await look('authenticator refused')
      await page.goto('/account/security/authenticator')
      await look('authenticator before')
      await page.goto('/account/security/passkey')
      await look('passkey name')
      await page.getByLabel('Name of the passkey').fill('A phone')
      await page.getByRole('button', { name: 'Add a passkey' }).click()
      await expect(page.getByRole('heading', { name: 'Make the passkey' })).toBeVisible()
      await expect(page.getByRole('alert')).toContainText('No passkey was used')
      await look('passkey')
    })

    test('so is what a new moderator sees first', async ({ page, instance }, info) => {
      await page.goto('/sign-in')
      await givePassword(page, await instance.makeUnenrolled())
      await expect(page.getByRole('heading', { name: 'Protect your account first' })).toBeVisible()
      await lookAt(page, info)('enrolment')
    })
  })
}


/** Nothing that axe objects to, nothing that does not fit; a picture is kept. */
function lookAt(page: Page, info: TestInfo) {
  return async (what: string) => {
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => `${what}: ${id} at ${nodes.map(({ html }) => html).join(' and ')}`)).toEqual([])
    expect(await widthLost(page), what).toBe(0)
    await page.screenshot({ path: info.outputPath(`${what}.png`), fullPage: true })
  }
}

/** By how many pixels a page is wider than its window. */
const widthLost = (page: Page) => page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth))

test('the keyboard reaches everything, and shows where it is', async ({ page, moderator }) => {
  await signIn(page, moderator)
  await page.goto('/titles')
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused()
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeInViewport()
  await page.keyboard.press('Enter')
  await expect(page.locator('#content')).toBeFocused()
  await page.keyboard.press('Tab')
  const focused = page.locator(':focus')
  await expect(focused).toHaveText('Pending')
  expect(await focused.evaluate((element) => getComputedStyle(element).outlineStyle)).toBe('solid')
})

test('nothing moves for who asked for less motion', async ({ page, moderator }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await signIn(page, moderator)
  const longest = await page.evaluate(() => Math.max(...[...document.querySelectorAll('*')].map((element) => Number.parseFloat(getComputedStyle(element).transitionDuration))))
  expect(longest).toBeLessThanOrEqual(0.001)
})
