/**
 * What the journeys share: an instance per worker, started as `npm start` starts one; people and titles made by the doors
 * that operators and machines use; and a watch that fails a journey on which a page broke its policy or threw.
 */
import { fileURLToPath } from 'node:url'
import { expect, test as base, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from '@playwright/test'
import postgres from 'postgres'
import { z } from 'zod'
import { runAdmin } from '../scripts/demo/admin-command.ts'
import { enrolAuthenticator, signIn as signInByApi, type Authenticator } from '../scripts/demo/authenticator.ts'
import { codeFor } from '../scripts/demo/outbox.ts'
import { startOwnInstance } from '../scripts/demo/own-instance.ts'
import { PublicApi } from '../scripts/demo/public-api.ts'
import { startSwarm, type Swarm } from '../server/test/swarm.ts'
import { makeTorrent } from '../server/test/torrents.ts'

export type Person = { userId: string; email: string; password: string; authenticator: Authenticator }

export type Instance = {
  url: string
  setupLink: string | undefined
  api: PublicApi
  /** With an authenticator app, set up through the API. */
  makeModerator(): Promise<Person>
  /** As the operator's command makes one: a password, and nothing else yet. */
  makeUnenrolled(): Promise<Omit<Person, 'authenticator'>>
  /** As if the person had given every proof of theirs ten minutes ago: a journey cannot wait for them to grow old. */
  ageProofs(person: Pick<Person, 'userId'>): Promise<void>
  /** The newest code mailed to that address, from the outbox. */
  mailedCode(email: string): Promise<string>
  /** Offers a title whose files are known, by API key. */
  offer(title: string, more?: { torrentFile?: Uint8Array; description?: string; files?: string[] }): Promise<void>
}

/** `slow` things are made once a worker. */
type PerWorker = { instance: Instance; clip: Swarm }
/** One for each journey: a code of an authenticator app is good once, and comes every half minute. */
type PerJourney = { moderator: Person }

export const clipFile = fileURLToPath(new URL('../scripts/demo/clip.mp4', import.meta.url))

/** An instance with its own data folder and port, for as long as `use` takes. */
export async function withInstance(use: (instance: Instance) => Promise<void>): Promise<void> {
  await using started = await startOwnInstance({ name: 'e2e', settings: { RATE_LIMIT_FACTOR: '1000' }, report: () => {} })
  const { env, instance: { baseUrl: url, setupLink, dataDir, databaseUrls } } = started
  const api = new PublicApi(url)
  const admin = { ...env, PORT: new URL(url).port }
  let people = 0
  let apiKey: Promise<{ key: string }> | null = null
  const makeUnenrolled = async () => {
    const email = `moderator${(people += 1)}@example.org`
    const made = await runAdmin(['create-user', '--email', email, '--role', 'moderator'], { env: admin, answer: z.object({ userId: z.string(), password: z.string() }) })
    return { ...made, email }
  }
  await use({
    url,
    setupLink,
    api,
    makeUnenrolled,
    async makeModerator() {
      const person = await makeUnenrolled()
      return { ...person, authenticator: await enrolAuthenticator(api, await signInByApi(api, person)) }
    },
    async ageProofs({ userId }) {
      const sql = postgres(databaseUrls.app, { max: 1 })
      const { count } = await sql`update sessions set authenticated_at = authenticated_at - interval '10 minutes' where user_id = ${userId} and ended_at is null`
      await sql.end()
      expect(count).toBeGreaterThan(0)
    },
    mailedCode: (email) => codeFor(dataDir, email),
    async offer(title, { torrentFile, description, files = ['Feature.mp4'] } = {}) {
      apiKey ??= runAdmin(['create-api-key', '--name', 'journeys', '--scope', 'ingest:write', '--expires', '1'], { env: admin, answer: z.object({ key: z.string() }) })
      const torrent = torrentFile ? Buffer.from(torrentFile).toString('base64') : makeTorrent({ files: files.map((path) => ({ path, sizeBytes: 734_003_200 })) }).base64
      const item = { title, torrentFile: torrent, category: 'films', licence: 'CC BY 4.0', language: 'en', ...(description ? { description } : {}) }
      const { accepted } = await api.call('POST', '/ingest/batches', { apiKey: (await apiKey).key, body: { source: 'Open Films', items: [item] }, answer: z.object({ accepted: z.int() }), status: 202 })
      expect(accepted).toBe(1)
    },
  })
}

export const test = base.extend<PerJourney, PerWorker>({
  instance: [({ browserName: _ }, use) => withInstance(use), { scope: 'worker', timeout: 120_000 }],
  moderator: async ({ instance }, use) => use(await instance.makeModerator()),
  clip: [
    async ({ browserName: _ }, use) => {
      await using swarm = await startSwarm({ name: 'A clip', files: [{ path: 'Clip.mp4', from: clipFile }, { path: 'Read me.txt', sizeBytes: 2_000 }] })
      await use(swarm)
    },
    { scope: 'worker' },
  ],
  baseURL: ({ instance }, use) => use(instance.url),
  context: async ({ context }, use) => {
    const faults = await watch(context)
    await use(context)
    expect(faults).toEqual([])
  },
})

/** Another person's browser, watched like the first. */
export async function withBrowser(browser: Browser, options: BrowserContextOptions, use: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext(options)
  const faults = await watch(context)
  await use(await context.newPage())
  await context.close()
  expect(faults).toEqual([])
}

/** Notes what no page may do: break its content security policy (control B6), throw, or complain on the console. */
async function watch(context: BrowserContext): Promise<string[]> {
  const faults: string[] = []
  await context.exposeFunction('reportBreach', (breach: string) => faults.push(breach))
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      const { reportBreach } = globalThis as unknown as { reportBreach: (breach: string) => void }
      reportBreach(`${violatedDirective} ${blockedURI}`)
    })
  })
  context.on('console', (message) => {
    // a refused form answers 4xx, which the browser mentions
    if (!/^(error|warning)$/.test(message.type()) || /responded with a status of 4\d\d/.test(message.text())) return
    faults.push(`${message.type()}: ${message.text()}`)
  })
  context.on('weberror', (error) => faults.push(String(error.error())))
  return faults
}

export async function givePassword(page: Page, { email, password }: Pick<Person, 'email' | 'password'>): Promise<void> {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

export async function giveCode(page: Page, code: string): Promise<void> {
  await page.getByLabel('Code', { exact: true }).fill(code)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** On the sign-in page, to its end. */
export async function passSignIn(page: Page, person: Person): Promise<void> {
  await givePassword(page, person)
  await giveCode(page, await person.authenticator.code())
}

export async function signIn(page: Page, person: Person): Promise<void> {
  await page.goto('/sign-in')
  await passSignIn(page, person)
  await expect(page.getByRole('heading', { level: 1, name: 'Queue' })).toBeVisible()
}

/** Waits until React answers what happens in an element, which it marks with a property of its own: what scripts add comes a moment after the page. */
export const untilHydrated = (element: Locator) => expect.poll(() => element.evaluate((node) => Object.keys(node).some((key) => key.startsWith('__reactProps')))).toBe(true)

/** The line of a title in a list. */
export const lineOf = (page: Page, title: string) => page.getByRole('listitem').filter({ has: page.getByRole('link', { name: title, exact: true }) })

export { expect }
