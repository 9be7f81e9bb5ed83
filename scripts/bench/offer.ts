import { z } from 'zod'
import { TorrentPage } from '../../server/features/catalogue/contract.ts'
import { IngestBatch } from '../../server/features/ingest/contract.ts'
import type { Swarm } from '../../server/test/swarm.ts'
import { runAdmin } from '../demo/admin-command.ts'
import { PublicApi, until } from '../demo/public-api.ts'
import { viewerToken, type BenchInstance } from './accounts.ts'

/** Offers a swarm by a trusted key, so that nobody has to approve it. `title` ends with a word of its own. @returns the title's id, once it is found */
export async function offerSwarm(bench: BenchInstance, swarm: Swarm, title: string): Promise<string> {
  const api = new PublicApi(bench.instance.baseUrl)
  const { key: apiKey } = await runAdmin(['create-api-key', '--name', 'bench', '--scope', 'ingest:write', '--expires', '1', '--trusted'], { env: bench.env, answer: z.object({ key: z.string() }) })
  const items = [{ title, torrentFile: Buffer.from(swarm.torrentFile).toString('base64') }]
  const batch = await api.call('POST', '/ingest/batches', { apiKey, body: { source: 'bench', items }, answer: IngestBatch, status: 202 })
  if (batch.accepted !== 1) throw new Error(`the torrent was refused: ${JSON.stringify(batch.rejected)}`)
  const token = await viewerToken(bench)
  const q = encodeURIComponent(title.split(' ').at(-1) ?? title)
  return until('The title', 15, async () => (await api.call('GET', `/torrents/search?q=${q}`, { token, answer: TorrentPage })).items[0]?.id)
}
