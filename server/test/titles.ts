import type { TestApp } from './app.ts'
import type { Swarm } from './swarm.ts'

/** Puts a swarm's torrent into the catalogue by the doors that people use. @returns the title's id. */
export async function offerTitle(app: TestApp, swarm: Pick<Swarm, 'torrentFile' | 'infoHash'>, title = 'A title'): Promise<string> {
  const item = { torrentFile: Buffer.from(swarm.torrentFile).toString('base64'), title, category: 'other' }
  const { status, body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: { source: 'test', items: [item] } })
  if (status !== 202 || body.accepted !== 1) throw new Error(`the title was not taken: ${status} ${JSON.stringify(body)}`)
  const [row] = await app.deps.sql<{ id: string }[]>`select id from torrents where info_hash = ${swarm.infoHash}`
  if (!row) throw new Error('the title is not there')
  return row.id
}

export async function approveTitle(app: TestApp, torrentId: string, token: string): Promise<void> {
  const { status, body } = await app.call('POST', `/admin/torrents/${torrentId}/approve`, { token, body: {} })
  if (status >= 300) throw new Error(`the title was not approved: ${status} ${JSON.stringify(body)}`)
}
