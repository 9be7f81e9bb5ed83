import { z } from 'zod'
import { Bytes, Id, page, paging, paragraphs, Time } from '../../kit/zod.ts'
import { TorrentFile } from '../catalogue/contract.ts'

export const TorrentState = z.enum(['pending', 'approved', 'rejected', 'taken_down']).meta({ id: 'TorrentState' })
export const QueueQuery = z.strictObject({ state: TorrentState.default('pending'), ...paging })

export const DecisionReason = z.enum(['rights', 'illegal', 'malware', 'wrong_content', 'spam', 'other']).meta({ id: 'DecisionReason' })
const note = paragraphs(2_000).optional().describe('For staff; viewers never see it')
export const Approval = z.strictObject({ torrentId: Id, reason: DecisionReason.optional(), note })
export const Refusal = z.strictObject({ torrentId: Id, reason: DecisionReason, note })

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const admin = {
  id: Id,
  title: z.string(),
  category: z.string(),
  language: z.string().nullable(),
  licence: z.string().nullable(),
  source: z.string(),
  state: TorrentState,
  infoHash: z.string(),
  sizeBytes: Bytes.nullable().describe('What the source says until verifiedAt, then what the torrent says'),
  seeders: count.nullable(),
  leechers: count.nullable(),
  createdAt: Time,
  verifiedAt: Time.nullable().describe('When the info dictionary was found to match the info-hash; before, nothing can be approved'),
  approvedAt: Time.nullable(),
  decidedAt: Time.nullable(),
  decisionReason: z.string().nullable(),
}
export const AdminTorrent = z.object(admin).meta({ id: 'AdminTorrent' })
export const AdminTorrentPage = z.object(page(AdminTorrent)).meta({ id: 'AdminTorrentPage' })
export const AdminTorrentDetails = z
  .object({
    ...admin,
    description: z.string().nullable(),
    sourceUrl: z.string().nullable(),
    posterUrl: z.string().nullable(),
    decisionNote: z.string().nullable(),
    trackers: z.array(z.string()).describe('Scheme and host only: passkeys stay on the server'),
    files: z.array(TorrentFile),
  })
  .meta({ id: 'AdminTorrentDetails' })
