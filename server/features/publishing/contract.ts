import { z } from 'zod'
import { IngestItem } from '../ingest/contract.ts'

const { title, description, category, language, licence, sourceUrl, trackers } = IngestItem.shape

/** A file or folder of the server's own disk that is to become a title. */
export const PublishRequest = z
  .strictObject({
    path: z.string().min(1).max(4_096).regex(/^[^\0]+$/, 'must be a path').describe('Absolute, of a file or folder that the service can read'),
    title,
    description,
    category,
    language,
    licence,
    sourceUrl,
    trackers: trackers.describe('Those of PUBLISH_TRACKERS if absent'),
    private: z.boolean().default(false).describe('Peers only from its trackers (BEP 27)'),
    webSeed: z.boolean().default(false).describe('Also served by HTTP to BitTorrent clients (BEP 19), once it is approved'),
    approve: z.boolean().default(false).describe('Shown to viewers at once; otherwise a moderator decides'),
  })
  .refine((request) => !(request.private && request.webSeed), 'a private torrent has no public web seed')
export type PublishRequest = z.infer<typeof PublishRequest>

export const Publication = z.object({
  id: z.uuid(),
  state: z.enum(['waiting', 'published', 'failed']),
  title: z.string(),
  path: z.string(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  bytesRead: z.int(),
  fault: z.object({ code: z.string(), message: z.string() }).nullable(),
  torrentId: z.uuid().nullable(),
  infoHash: z.string().nullable(),
  webSeed: z.boolean(),
})
export type Publication = z.infer<typeof Publication>
