/** What moderators do all day: watch what was offered, and decide. */
import { z } from 'zod'
import { signIn as signInByApi } from '../scripts/demo/authenticator.ts'
import { expect, lineOf, passSignIn, signIn, test, untilHydrated, withBrowser } from './fixtures.ts'

const Found = z.object({ items: z.array(z.object({ title: z.string() })) })

test('a title that a machine offered is watched, with seeking, and approved', async ({ page, instance, moderator, clip }, info) => {
  await instance.offer('The clip', { torrentFile: clip.torrentFile, description: 'Made for this project.' })
  await signIn(page, moderator)
  await lineOf(page, 'The clip').getByRole('link', { name: 'The clip' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'The clip' })).toBeVisible()
  await expect(page.getByText('Made for this project.')).toBeVisible()
  await expect(page.getByRole('button', { name: /Read me/ })).toHaveCount(0)
  await page.getByRole('button', { name: 'Watch Clip.mp4' }).click()

  const video = page.locator('video')
  await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.readyState)).toBeGreaterThanOrEqual(2)
  await video.evaluate((element: HTMLVideoElement) => {
    element.muted = true
    return element.play()
  })
  await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.currentTime)).toBeGreaterThan(0.3)
  const { duration, at } = await video.evaluate(async (element: HTMLVideoElement) => {
    element.pause()
    const seeked = new Promise((done) => element.addEventListener('seeked', done, { once: true }))
    element.currentTime = element.duration * 0.75
    await seeked
    return { duration: element.duration, at: element.currentTime }
  })
  expect(duration).toBeGreaterThan(3)
  expect(at).toBeCloseTo(duration * 0.75, 1)
  // a decoder that shows nothing shows black
  const colours = await video.evaluate((element: HTMLVideoElement) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 })
    const context = canvas.getContext('2d')
    context?.drawImage(element, 0, 0, 160, 90)
    return new Set(new Uint32Array(context?.getImageData(0, 0, 160, 90).data.buffer ?? new ArrayBuffer(0))).size
  })
  expect(colours).toBeGreaterThan(20)
  await page.screenshot({ path: info.outputPath('watching.png') })

  await page.getByRole('button', { name: 'Approve The clip' }).click()
  await expect(page.getByRole('status')).toContainText('Approved')
  await expect(page.getByText('Approved just now.')).toBeVisible()
  // what was being watched goes on
  expect(await video.evaluate((element: HTMLVideoElement) => element.currentTime)).toBeCloseTo(at, 1)

  const token = await signInByApi(instance.api, moderator)
  const { items } = await instance.api.call('GET', '/torrents/search?q=clip', { token, answer: Found })
  expect(items.map(({ title }) => title)).toContain('The clip')
  // watching it had the file looked into
  await expect(async () => {
    await page.reload()
    await expect(page.getByRole('listitem').filter({ hasText: 'Clip.mp4' })).toContainText(/video\/mp4 · 0:24\s*Plays directly/, { timeout: 1_000 })
  }).toPass({ timeout: 30_000 })
  await page.screenshot({ path: info.outputPath('looked-into.png'), fullPage: true })
})

test('a title is approved right in the queue', async ({ page, instance, moderator }) => {
  await instance.offer('Approved in the list')
  await signIn(page, moderator)
  await page.getByRole('button', { name: 'Approve Approved in the list' }).click()
  await expect(page.getByRole('status')).toContainText('Approved “Approved in the list”')
  await expect(page.getByRole('button', { name: 'Approve Approved in the list' })).toHaveCount(0)
  await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Titles' }).click()
  await expect(page.getByRole('link', { name: 'Approved in the list' })).toBeVisible()
})

test('a title is rejected with a reason, by keyboard alone', async ({ page, instance, moderator }, info) => {
  await instance.offer('Not a film')
  await signIn(page, moderator)
  const line = lineOf(page, 'Not a film')
  await untilHydrated(line.getByLabel('Reject Not a film'))
  await line.getByLabel('Reject Not a film').focus()
  await page.keyboard.press('Enter')
  await expect(line.getByLabel('Reason')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(line.getByLabel('Reason')).toBeHidden()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await expect(line.getByLabel('Reason')).toBeFocused()

  // without a reason the browser does not send it
  await line.getByRole('button', { name: 'Reject title' }).press('Enter')
  await expect(line.getByLabel('Reason')).toBeFocused()
  await page.screenshot({ path: info.outputPath('rejecting.png') })
  await page.keyboard.type('Not what')
  await page.keyboard.press('Tab')
  await page.keyboard.type('It is a slide show.')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('status')).toContainText('Rejected “Not a film”')
  await page.getByRole('status').getByRole('link', { name: '“Not a film”' }).click()
  await expect(page.getByText('Rejected just now: not what it says it is.')).toBeVisible()
  await expect(page.getByText('It is a slide show.')).toBeVisible()
})

test('a title is taken down only when its name is confirmed', async ({ page, instance, moderator }) => {
  await instance.offer('To be taken down')
  await signIn(page, moderator)
  await page.getByRole('button', { name: 'Approve To be taken down' }).click()
  await page.getByRole('status').getByRole('link', { name: '“To be taken down”' }).click()
  await page.getByLabel('Take down To be taken down').click()
  await page.getByLabel('Reason').selectOption({ label: 'Infringes someone’s rights' })
  await page.getByRole('button', { name: 'Take down for good' }).click()
  await expect(page.getByLabel(/Yes, take down/)).toBeFocused()
  await page.getByLabel(/Yes, take down/).check()
  await page.getByRole('button', { name: 'Take down for good' }).click()
  await expect(page.getByRole('status')).toHaveText('Taken down. Go on with the queue')
  await expect(page.getByText('A title that was taken down stays down')).toBeVisible()
  await expect(page.getByRole('button', { name: /^(Approve|Watch)/ })).toHaveCount(0)
})

test('of two moderators who decide at once, the second is told, and keeps what they wrote', async ({ page, browser, instance, moderator }, info) => {
  await instance.offer('Wanted by two')
  const other = await instance.makeModerator()
  await signIn(page, moderator)
  const line = lineOf(page, 'Wanted by two')
  await line.getByLabel('Reject Wanted by two').click()
  await line.getByLabel('Reason').selectOption({ label: 'Spam' })
  await line.getByLabel('Note').fill('Looked at it for an hour.')

  await withBrowser(browser, { baseURL: instance.url }, async (theirs) => {
    await signIn(theirs, other)
    await theirs.getByRole('button', { name: 'Approve Wanted by two' }).click()
    await expect(theirs.getByRole('status')).toContainText('Approved “Wanted by two”')
  })

  await line.getByRole('button', { name: 'Reject title' }).click()
  const told = page.getByRole('alert')
  await expect(told).toContainText('This title is approved already.')
  await expect(told).toContainText('Spam')
  await expect(told).toContainText('Looked at it for an hour.')
  await page.screenshot({ path: info.outputPath('conflict.png') })
})

test('who was signed out elsewhere is asked to sign in, and comes back', async ({ page, instance, moderator }) => {
  await instance.offer('Looked at later')
  await signIn(page, moderator)
  await lineOf(page, 'Looked at later').getByRole('link').first().click()
  await expect(page.getByRole('heading', { level: 1, name: 'Looked at later' })).toBeVisible()
  const address = page.url()
  const elsewhere = await page.context().newPage()
  await elsewhere.goto('/')
  await elsewhere.getByRole('button', { name: 'Sign out' }).click()
  await expect(elsewhere.getByText('You are signed out.')).toBeVisible()
  await page.reload()
  await expect(page.getByText('Sign in to go on.')).toBeVisible()
  await passSignIn(page, moderator)
  await expect(page).toHaveURL(address)
  await page.getByLabel('Reject Looked at later').click()
  await page.getByLabel('Reason').selectOption('other')
  await page.getByRole('button', { name: 'Reject title' }).click()
  await expect(page.getByRole('status')).toContainText('Rejected.')
})
