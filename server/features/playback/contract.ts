import { z } from 'zod'
import { Bytes, Id, Time } from '../../kit/zod.ts'
import { Playable } from '../catalogue/contract.ts'

export const PlaybackTarget = z.strictObject({ torrentId: Id, fileIndex: z.int().min(0).max(1_000_000) })

export const PlaybackLink = z
  .object({
    url: z.string().describe('Absolute. Needs no header: the ticket in it is the permission, so keep it to yourself.'),
    expiresAt: Time.describe('When the link dies unless it is used before; each use moves it.'),
    mimeType: z.string(),
    sizeBytes: Bytes,
    playable: Playable,
  })
  .meta({ id: 'PlaybackLink' })
