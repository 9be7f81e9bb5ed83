import { z } from 'zod'
import { Bytes, Id, page, paging, Time } from '../../kit/zod.ts'
import { Playable } from '../catalogue/contract.ts'

const fileIndex = z.int().min(0).max(1_000_000)
export const PlaybackTarget = z.strictObject({ torrentId: Id, fileIndex })

export const PlaybackSubtitles = z
  .object({
    language: z.string().nullable().describe('BCP 47, as far as the file’s name tells it.'),
    label: z.string().describe('For people, in English.'),
    url: z.string().describe('WebVTT. Lives and dies with the link.'),
  })
  .meta({ id: 'PlaybackSubtitles' })

export const PlaybackLink = z
  .object({
    url: z.string().describe('Absolute. Needs no header: the ticket in it is the permission, so keep it to yourself.'),
    expiresAt: Time.describe('When the link dies unless it is used before; each use moves it.'),
    mimeType: z.string(),
    sizeBytes: Bytes,
    playable: Playable,
    subtitles: z.array(PlaybackSubtitles),
    playlistUrl: z.string().describe('M3U of every file of the title that can be played, for players that take lists.'),
  })
  .meta({ id: 'PlaybackLink' })

const perSecond = z.number().min(0)
const seconds = z.number().min(0)
export const ProgressQuery = z.strictObject({ ...PlaybackTarget.shape, position: Bytes.default(0).describe('The byte from which the player wants to play.') })
export const FileProgress = z
  .object({
    state: z.enum(['idle', 'searching', 'fetching', 'complete', 'unavailable']).describe('`idle`: nobody plays it, so nothing is fetched; `searching`: no peer yet; `unavailable`: the engine is not running.').meta({ id: 'ProgressState' }),
    peers: z.int().min(0).max(1_000_000),
    downloadBytesPerSecond: perSecond,
    uploadBytesPerSecond: perSecond,
    buffered: z
      .array(z.object({ startByte: Bytes, endByte: Bytes.describe('Excluded.'), startSeconds: seconds.nullable(), endSeconds: seconds.nullable() }).meta({ id: 'BufferedRange' }))
      .describe('What of the file is on the server, ascending. Seconds of play are by the mean rate, null until the duration is known.'),
    secondsToPlay: seconds.nullable().describe('Until playing can begin at `position`, as fast as bytes come now; null when nothing comes.'),
  })
  .meta({ id: 'FileProgress' })

export const StreamQuery = z.strictObject(paging)
export const StreamRef = z.strictObject({ streamId: z.string().regex(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\.\d{1,7}$/, 'must be the id of a stream') })
export const ActiveStream = z
  .object({
    id: z.string(),
    viewer: Id.describe('The person’s pseudonym, as in the audit log.'),
    kind: z.enum(['viewer', 'preview']).meta({ id: 'StreamKind' }),
    torrentId: Id,
    title: z.string(),
    fileIndex,
    path: z.string(),
    startedAt: Time,
    bytesSent: Bytes.describe('Some seconds behind, as is the rate.'),
    bytesPerSecond: Bytes,
  })
  .meta({ id: 'ActiveStream' })
export const ActiveStreamPage = z.object(page(ActiveStream)).meta({ id: 'ActiveStreamPage' })
