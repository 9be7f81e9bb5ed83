/** A forgotten password: a code goes to the address, and opens a new one. Who has no mouse, or no scripts, does it as well. */
import type { Page } from '@playwright/test'
import { expect, giveCode, givePassword, test, withBrowser } from './fixtures.ts'
import { keyboardOf } from './keyboard.ts'

const newPassword = 'otter lantern 77 quarry'

/** Every address that the browser asks for, and where it then stands. */
const visitedBy = (page: Page) => {
  const urls: string[] = []
  page.on('request', (request) => urls.push(request.url()))
  return urls
}

test('is replaced with the mailed code, by keyboard alone, and leads back to where one was going', async ({ page, instance, moderator }) => {
  const { press, seesFocusOn, type } = keyboardOf(page)
  const urls = visitedBy(page)
  await page.goto('/titles?state=rejected')
  await press(page.getByRole('link', { name: 'I have forgotten my password' }))
  await expect(page.getByRole('heading', { name: 'Forgotten your password?' })).toBeVisible()
  await expect(page.locator('script[type=module]')).toHaveCount(0)
  await seesFocusOn(page.getByLabel('E-mail'))
  await page.keyboard.type(moderator.email)
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Choose a new password' })).toBeVisible()

  const code = await instance.mailedCode(moderator.email)
  const [codeField, passwordField] = [page.getByLabel('Code'), page.getByLabel('New password')]
  await seesFocusOn(codeField)
  await page.keyboard.type(code === '00000000' ? '00000001' : '00000000')
  await type(passwordField, newPassword)
  await page.keyboard.press('Enter')
  await expect(page.getByText('Code is wrong, used or too old.')).toBeVisible()
  await seesFocusOn(codeField)
  // as people copy it
  await page.keyboard.type(`${code.slice(0, 4)} ${code.slice(4)}`)
  await type(passwordField, 'Password123456')
  await page.keyboard.press('Enter')
  await expect(page.getByText(/New password is too easy to guess/)).toBeVisible()
  await expect(codeField).toHaveValue(code)
  await expect(passwordField).toHaveValue('')
  await seesFocusOn(passwordField)
  await page.keyboard.type(newPassword)
  await press(page.getByRole('button', { name: 'Set the new password' }))

  await expect(page.getByRole('status')).toHaveText('Your password is changed. Sign in with the new one.')
  await givePassword(page, moderator)
  await expect(page.getByRole('alert')).toHaveText('The e-mail address or the password is wrong.')
  await givePassword(page, { ...moderator, password: newPassword })
  await giveCode(page, await moderator.authenticator.code())
  await expect(page).toHaveURL('/titles?state=rejected')
  for (const secret of [code, moderator.email, encodeURIComponent(moderator.email)]) expect(urls.filter((url) => url.includes(secret))).toEqual([])
})

test('another code can be asked for, and voids the one before', async ({ page, instance, moderator }) => {
  await page.goto('/forgot-password')
  await page.getByLabel('E-mail').fill(moderator.email)
  await page.getByRole('button', { name: 'Send the code' }).click()
  const before = await instance.mailedCode(moderator.email)
  await page.getByRole('button', { name: 'Send another code' }).click()
  await expect(page.getByRole('status')).toHaveText('Another code is on its way, unless too many were sent already. Only the newest that you have is good.')
  let code = before
  await expect(async () => expect((code = await instance.mailedCode(moderator.email))).not.toBe(before)).toPass()
  const give = async (given: string) => {
    await page.getByLabel('Code').fill(given)
    await page.getByLabel('New password').fill(newPassword)
    await page.getByRole('button', { name: 'Set the new password' }).click()
  }
  await give(before)
  await expect(page.getByText('Code is wrong, used or too old.')).toBeVisible()
  await give(code)
  await expect(page.getByRole('status')).toHaveText('Your password is changed. Sign in with the new one.')
})

test('is replaced without JavaScript, on a narrow phone', async ({ browser, instance, moderator }) => {
  await withBrowser(browser, { baseURL: instance.url, javaScriptEnabled: false, viewport: { width: 360, height: 740 } }, async (page) => {
    await page.goto('/sign-in')
    await page.getByRole('link', { name: 'I have forgotten my password' }).click()
    await page.getByLabel('E-mail').fill(moderator.email)
    await page.getByRole('button', { name: 'Send the code' }).click()
    await page.getByLabel('Code').fill(await instance.mailedCode(moderator.email))
    await page.getByLabel('New password').fill(newPassword)
    await page.getByRole('button', { name: 'Set the new password' }).click()
    await expect(page.getByRole('status')).toHaveText('Your password is changed. Sign in with the new one.')
    await givePassword(page, { ...moderator, password: newPassword })
    await expect(page.getByLabel('Code', { exact: true })).toBeVisible()
  })
})
