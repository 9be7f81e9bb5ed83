import { fetchMetadata } from './features/ingest/metadata.ts'
import { removeData } from './features/moderation/remove-data.ts'
import type { JobHandler } from './kit/jobs.ts'
import { sendMail } from './kit/mail.ts'

/** Every kind of job and what does it. */
export const jobHandlers: Record<string, JobHandler> = {
  'mail.send': sendMail,
  'torrent.fetch_metadata': fetchMetadata,
  'torrent.remove_data': removeData,
}
