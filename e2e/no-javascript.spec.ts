/** The same work in a browser without scripts: every form is a form. */
import { expect, lineOf, signIn, test } from './fixtures.ts'

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
