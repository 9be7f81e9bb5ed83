import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { makeTorrent } from '../../test/torrents.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app[Symbol.asyncDispose]())

const publish = async (on: TestApp, item: object, { trusted = true } = {}) => {
  const { body } = await on.call('POST', '/ingest/batches', { apiKey: await on.as.apiKey({ trusted }), body: { source: 'archive', items: [{ torrentFile: makeTorrent().base64, ...item }] } })
  expect(body.accepted).toBe(1)
}
const idOf = async (on: TestApp, title: string) => (await on.deps.sql<{ id: string }[]>`select id from torrents where title = ${title}`)[0]?.id ?? ''
const paths = (id: string) => ['/torrents/latest', '/torrents/search?q=a', `/torrents/${id}`]

describe('who may browse', () => {
  it('is whoever is signed in', async () => {
    await publish(app, { title: 'A film' })
    const id = await idOf(app, 'A film')
    const ended = await app.as.user()
    expect((await app.call('POST', '/auth/sign-out', { token: ended.token })).status).toBe(204)
    // every node is told within a second
    await vi.waitFor(async () => expect((await app.call('GET', '/torrents/latest', { token: ended.token })).status).toBe(401), { timeout: 10_000, interval: 10 })
    for (const path of paths(id)) {
      expect(await app.call('GET', path)).toMatchObject({ status: 401, body: { code: 'access_token_missing' } })
      expect(await app.call('GET', path, { token: 'garbage' })).toMatchObject({ status: 401, body: { code: 'access_token_invalid' } })
      expect(await app.call('GET', path, { token: ended.token })).toMatchObject({ status: 401, body: { code: 'session_ended' } })
      expect((await app.call('GET', path, { apiKey: await app.as.apiKey() })).status).toBe(401)
      for (const person of [await app.as.user(), await app.as.moderator(), await app.as.admin()]) expect((await app.call('GET', path, { token: person.token })).status).toBe(200)
    }
    expect((await app.call('GET', '/categories')).status).toBe(200)
  })

  it('is anyone where the catalogue is public, but not for titles that are not approved', async () => {
    await using open = await startTestApp({ settings: { CATALOGUE_PUBLIC: 'on' } })
    await publish(open, { title: 'A film' })
    for (const path of paths(await idOf(open, 'A film'))) expect((await open.call('GET', path)).status).toBe(200)
    await publish(open, { title: 'Pending' }, { trusted: false })
    expect((await open.call('GET', `/torrents/${await idOf(open, 'Pending')}`)).status).toBe(404)
  })
})

describe('a title that is not approved', () => {
  test.each(['pending', 'rejected', 'taken_down'])('%s answers as one that does not exist, to staff, too', async (state) => {
    const title = `hidden ${state}`
    await publish(app, { title }, { trusted: false })
    const id = await idOf(app, title)
    const { token } = await app.as.moderator()
    if (state === 'rejected') await app.call('POST', `/admin/torrents/${id}/reject`, { token, body: { reason: 'spam' } })
    if (state === 'taken_down') {
      await app.call('POST', `/admin/torrents/${id}/approve`, { token, body: {} })
      expect((await app.call('GET', `/torrents/search?q=hidden`, { token })).body.items).toHaveLength(1)
      await app.call('POST', `/admin/torrents/${id}/takedown`, { token, body: { reason: 'rights' } })
    }
    expect((await app.deps.sql`select state from torrents where id = ${id}`)[0]).toEqual({ state })
    const absent = await app.call('GET', '/torrents/00000000-0000-4000-8000-000000000000', { token })
    const hidden = await app.call('GET', `/torrents/${id}`, { token })
    expect([hidden.status, { ...hidden.body, instance: '' }]).toEqual([absent.status, { ...absent.body, instance: '' }])
    for (const path of ['/torrents/latest?limit=100', '/torrents/search?q=hidden', '/torrents/search?q=hiden', '/torrents/search']) {
      expect(JSON.stringify((await app.call('GET', path, { token })).body)).not.toContain('hidden')
    }
  })
})

it('tells no passkey of a tracker (control B11)', async () => {
  const open = ['udp://tracker.example.org:1337/announce', 'https://tracker.example.org/announce', 'http://tracker.example.org']
  const secret = [
    'https://private.example.org/0123456789abcdef0123456789abcdef/announce',
    'https://private.example.org/announce?passkey=0123456789abcdef',
    'https://private.example.org/announce.php/0123456789abcdef',
    'https://0123456789abcdef0123456789abcdef.private.example.org/announce',
    'https://private.example.org/announce#0123456789abcdef',
  ]
  await publish(app, { title: 'Private', torrentFile: makeTorrent({ trackers: [...secret, ...open] }).base64 })
  const id = await idOf(app, 'Private')
  const { token } = await app.as.user()
  const { body } = await app.call('GET', `/torrents/${id}`, { token })
  expect(JSON.stringify(body)).not.toMatch(/0123456789abcdef|private\.example/)
  expect(new URLSearchParams(body.magnetUri.split('?')[1]).getAll('tr')).toEqual(open.map((url) => new URL(url).href))
  expect((await app.deps.sql`select cardinality(trackers) as count from torrents where id = ${id}`)[0]).toEqual({ count: open.length + secret.length })
})
