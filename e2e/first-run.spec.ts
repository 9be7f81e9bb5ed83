/** From the link that the terminal prints to a signed-in admin: there are no default credentials. */
import { expect, test as base, withInstance, type Instance } from './fixtures.ts'

const test = base.extend<object, { fresh: Instance }>({
  fresh: [({ browserName: _ }, use) => withInstance(use), { scope: 'worker', timeout: 120_000 }],
  baseURL: ({ fresh }, use) => use(fresh.url),
})

test('the set-up link makes the first admin, once', async ({ page, fresh }, info) => {
  const link = fresh.setupLink ?? ''
  expect(link).toContain('/set-up/')
  await page.goto(link)
  await page.getByLabel('E-mail').fill('first@example.org')
  await page.getByLabel('Name').fill('First Admin')
  await page.getByLabel('Password').fill('first@example.org')
  await page.getByRole('button', { name: 'Make the account' }).click()
  await expect(page.getByText('Password must not contain your e-mail address.')).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveValue('first@example.org')
  await page.screenshot({ path: info.outputPath('set-up.png') })

  await page.getByLabel('Password').fill('quiet marble tidepool 58')
  await page.getByRole('button', { name: 'Make the account' }).click()
  await expect(page.getByRole('heading', { name: 'Queue' })).toBeVisible()
  await expect(page.getByText('Nothing waits for you')).toBeVisible()
  await expect(page.getByText('first@example.org · Admin')).toBeVisible()

  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByText('You are signed out.')).toBeVisible()
  await page.goBack()
  await expect(page.getByRole('heading', { name: 'Sign in to the console' })).toBeVisible()

  await page.goto(link)
  await page.getByLabel('E-mail').fill('second@example.org')
  await page.getByLabel('Password').fill('quiet marble tidepool 59')
  await page.getByRole('button', { name: 'Make the account' }).click()
  await expect(page.getByText('This set-up link was used or is too old.')).toBeVisible()
})

test('signing in needs the right password, and leads back to where one was going', async ({ page }) => {
  await page.goto('/titles?state=rejected')
  await expect(page.getByText('Sign in to go on.')).toBeVisible()
  await page.getByLabel('E-mail').fill('first@example.org')
  await page.getByLabel('Password').fill('quiet marble tidepool 59')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('alert')).toHaveText('The e-mail address or the password is wrong.')
  await expect(page.getByLabel('Password')).toBeFocused()
  await page.keyboard.type('quiet marble tidepool 58')
  await page.keyboard.press('Enter')
  await expect(page.getByText('No rejected titles')).toBeVisible()
  await expect(page).toHaveURL('/titles?state=rejected')
})
