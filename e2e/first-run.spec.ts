/** From the link that the terminal prints to an admin with a second factor: there are no default credentials. */
import { Authenticator } from '../scripts/demo/authenticator.ts'
import { expect, giveCode, givePassword, test as base, withInstance, type Instance } from './fixtures.ts'

const test = base.extend<object, { fresh: Instance }>({
  fresh: [({ browserName: _ }, use) => withInstance(use), { scope: 'worker', timeout: 120_000 }],
  baseURL: ({ fresh }, use) => use(fresh.url),
})
const admin = { email: 'first@example.org', password: 'quiet marble tidepool 58' }

test('the set-up link makes the first admin, once, and leads to a second factor before anything else', async ({ page, fresh }, info) => {
  const link = fresh.setupLink ?? ''
  expect(link).toContain('/set-up/')
  await page.goto(link)
  await page.getByLabel('E-mail').fill(admin.email)
  await page.getByLabel('Name').fill('First Admin')
  await page.getByLabel('Password').fill('first@example.org')
  await page.getByRole('button', { name: 'Make the account' }).click()
  await expect(page.getByText('Password must not be made of your e-mail address')).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveValue(admin.email)
  await page.screenshot({ path: info.outputPath('set-up.png') })

  await page.getByLabel('Password').fill(admin.password)
  await page.getByRole('button', { name: 'Make the account' }).click()
  await expect(page.getByRole('heading', { name: 'Protect your account first' })).toBeVisible()
  // there is no way around it
  for (const path of ['/', '/titles?state=rejected', '/account', '/account/sessions', '/account/data']) {
    await page.goto(path)
    await expect(page).toHaveURL(/\/account\/security/)
  }
  await page.goto('/titles?state=rejected')
  await page.getByRole('button', { name: 'Set up an authenticator app' }).click()
  await expect(page.getByRole('img', { name: 'QR code for the authenticator app' })).toBeVisible()
  const authenticator = new Authenticator((await page.locator('code').innerText()).replaceAll(' ', ''))

  await page.getByLabel('Code').fill('000000')
  await page.getByRole('button', { name: 'Confirm the code' }).click()
  await expect(page.getByText('Code is not what the app shows now.')).toBeVisible()
  await expect(page.getByRole('img', { name: 'QR code for the authenticator app' })).toBeVisible()
  await page.getByLabel('Code').fill(await authenticator.code())
  await page.getByRole('button', { name: 'Confirm the code' }).click()

  const codes = page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem')
  await expect(codes).toHaveCount(10)
  const downloading = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download' }).click()
  expect((await downloading).suggestedFilename()).toBe('torrent-streamer-recovery-codes.txt')
  await page.getByRole('link', { name: 'I have kept them, go on' }).click()
  await expect(page.getByText('No rejected titles')).toBeVisible()
  await expect(page).toHaveURL('/titles?state=rejected')
  await expect(page.getByRole('link', { name: 'First Admin · Admin' })).toBeVisible()

  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByText('You are signed out.')).toBeVisible()
  await page.goBack()
  await expect(page.getByRole('heading', { name: 'Sign in to the console' })).toBeVisible()

  // needs the right password and then the code, and leads back to where one was going
  await page.goto('/titles?state=taken_down')
  await expect(page.getByText('Sign in to go on.')).toBeVisible()
  await givePassword(page, { ...admin, password: 'quiet marble tidepool 59' })
  await expect(page.getByRole('alert')).toHaveText('The e-mail address or the password is wrong.')
  await expect(page.getByLabel('Password')).toBeFocused()
  await page.keyboard.type(admin.password)
  await page.keyboard.press('Enter')
  await expect(page.getByLabel('Code', { exact: true })).toBeFocused()
  await giveCode(page, await authenticator.code())
  await expect(page.getByText('No taken down titles')).toBeVisible()
  await expect(page).toHaveURL('/titles?state=taken_down')

  await page.goto(link)
  await page.getByLabel('E-mail').fill('second@example.org')
  await page.getByLabel('Password').fill('quiet marble tidepool 59')
  await page.getByRole('button', { name: 'Make the account' }).click()
  await expect(page.getByText('This set-up link was used or is too old.')).toBeVisible()
})
