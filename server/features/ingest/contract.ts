import { z } from 'zod'
import { Bytes, Id, LanguageTag, line, paragraphs, Time } from '../../kit/zod.ts'
import { torrentLimits } from '../../lib/torrent.ts'

const count = z.int().min(0).max(1_000_000_000)
const maxBase64 = Math.ceil(torrentLimits.fileBytes / 3) * 4
/** A web address that people may follow: what else could be in a link (`javascript:`) never gets in. */
const webAddress = line(2_000).refine((v) => URL.canParse(v) && /^https?:$/.test(new URL(v).protocol) && new URL(v).username === '' && !/\s/.test(v), 'must be an http or https address')

export const IngestFile = z.strictObject({ path: line(1_024), sizeBytes: Bytes }).meta({ id: 'IngestFile' })

/** One title. Exactly one of infoHash, magnetUri and torrentFile says which. */
export const IngestItem = z
  .strictObject({
    infoHash: z.string().max(64).optional().describe('BitTorrent v1 info-hash, hexadecimal or base 32'),
    magnetUri: z.string().max(16_384).optional(),
    torrentFile: z.string().max(maxBase64, `must hold ${torrentLimits.fileBytes} bytes at most`).optional().describe('A .torrent file in base64'),
    title: line(300).refine((v) => v.trim() !== '', 'must not be blank'),
    description: paragraphs(20_000).optional(),
    category: z.string().max(40).optional().describe('The id of a category; "other" if absent'),
    language: LanguageTag.optional(),
    licence: line(100).optional(),
    sourceUrl: webAddress.optional(),
    posterUrl: webAddress.optional(),
    files: z.array(IngestFile).max(torrentLimits.files).optional().describe('What the source says is inside; the catalogue shows what the torrent itself says'),
    trackers: z.array(z.string().max(2_048)).max(torrentLimits.trackers).optional(),
    seeders: count.optional(),
    leechers: count.optional(),
  })
  .refine((item) => [item.infoHash, item.magnetUri, item.torrentFile].filter((given) => given !== undefined).length === 1, 'must have exactly one of infoHash, magnetUri and torrentFile')
  .meta({ id: 'IngestItem' })
export type IngestItem = z.infer<typeof IngestItem>

export type ItemReading = { item: IngestItem; issues?: undefined } | { item?: undefined; issues: z.core.$ZodIssue[]; given: unknown }

/** Documented as an IngestItem, but never a reason to refuse the batch: what is wrong with an item is told for that item. */
const ItemOrIssues = IngestItem.transform((item): ItemReading => ({ item })).catch((refused): ItemReading => {
  // z.toJSONSchema asks for a default value without a refused input
  const { error, input } = (refused ?? {}) as Partial<typeof refused>
  return error ? { issues: error.issues, given: input } : (undefined as never)
})

export const IngestBatchInput = z.strictObject({ source: line(100).describe('Where the titles come from, as viewers see it'), items: z.array(ItemOrIssues).min(1).max(500) }).meta({ id: 'IngestBatchInput' })
export const BatchRef = z.strictObject({ batchId: Id })

const index = z.int().min(0).max(499).describe('Position in the items of the batch')
export const IngestRejection = z
  .object({
    index,
    code: z
      .string()
      .describe('Stable: validation_failed, unknown_field, unknown_category, invalid_info_hash, invalid_magnet, invalid_torrent, v2_only, no_peer_source, blocked'),
    path: z.string(),
    message: z.string(),
  })
  .meta({ id: 'IngestRejection' })
export const IngestWarning = z
  .object({ index, code: z.string().describe('Stable: source_ignored, tracker_ignored, tracker_malformed, tracker_scheme, tracker_credentials, tracker_port, tracker_private_address, web_seed_ignored, files_differ'), message: z.string() })
  .meta({ id: 'IngestWarning' })

export const IngestBatch = z
  .object({
    batchId: Id,
    source: z.string(),
    createdAt: Time,
    accepted: z.int().min(0).max(500),
    duplicates: z.int().min(0).max(500),
    rejected: z.array(IngestRejection),
    warnings: z.array(IngestWarning),
  })
  .meta({ id: 'IngestBatch' })
