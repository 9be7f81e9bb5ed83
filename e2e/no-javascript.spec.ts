/** The same work in a browser without scripts: every form is a form. */
import { Authenticator } from '../scripts/demo/authenticator.ts'
import { expect, giveCode, givePassword, lineOf, signIn, test } from './fixtures.ts'

test.use({ javaScriptEnabled: false })

test('titles are approved, watched, rejected and taken down', async ({ page, instance, moderator }) => {
  await instance.offer('Plain one')
  await instance.offer('Plain two', { files: ['Second.mp4', 'Second.mkv'] })
  await signIn(page, moderator)

  await page.getByRole('button', { name: 'Approve Plain one' }).click()
  await expect(page.getByText('Approved “Plain one”.')).toBeVisible()

  await lineOf(page, 'Plain two').getByRole('link').first().click()
  await page.getByRole('button', { name: 'Watch Second.mp4' }).click()
  await expect(page.locator('video')).toHaveAttribute('src', /^\/api\/v1\/stream\//)
  await page.getByRole('button', { name: 'Get a link to Second.mkv' }).click()
  await expect(page.getByLabel(/Give this link to mpv or VLC/)).toHaveValue(new RegExp(`^${instance.url}/api/v1/stream/`))

  await page.goto('/')
  const line = lineOf(page, 'Plain two')
  await line.getByText('Reject…').click()
  await line.getByLabel('Reason').selectOption('spam')
  await line.getByRole('button', { name: 'Reject title' }).click()
  await expect(page.getByText('Rejected “Plain two”.')).toBeVisible()

  await page.getByRole('link', { name: '“Plain two”' }).click()
  await page.getByText('Take down…').click()
  await page.getByLabel('Reason').selectOption('illegal')
  await page.getByLabel(/Yes, take down/).check()
  await page.getByRole('button', { name: 'Take down for good' }).click()
  await expect(page.getByRole('status')).toHaveText('Taken down. Go on with the queue')

  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByText('You are signed out.')).toBeVisible()
})

test('an authenticator app is set up, and its codes let in', async ({ page, instance }) => {
  const person = await instance.makeUnenrolled()
  await page.goto('/titles')
  await givePassword(page, person)
  await page.getByRole('button', { name: 'Set up an authenticator app' }).click()
  const authenticator = new Authenticator((await page.locator('code').innerText()).replaceAll(' ', ''))
  await page.getByLabel('Code').fill(await authenticator.code())
  await page.getByRole('button', { name: 'Confirm the code' }).click()
  await expect(page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem')).toHaveCount(10)
  // what would need scripts is not offered
  await expect(page.getByRole('button', { name: /^(Copy|Print)$/ })).toHaveCount(0)
  await page.getByRole('link', { name: 'I have kept them, go on' }).click()
  await expect(page).toHaveURL('/titles')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await givePassword(page, person)
  await giveCode(page, await authenticator.code())
  await expect(page.getByRole('heading', { level: 1, name: 'Queue' })).toBeVisible()
})
