import { wipeSuccessors } from './features/auth/refresh-tokens.ts'
import { forgetChallenges } from './features/factors/challenges.ts'
import { forgetTotpSecrets } from './features/factors/totp-factor.ts'
import { fetchMetadata } from './features/ingest/metadata.ts'
import { removeData } from './features/moderation/remove-data.ts'
import { purgeLinks } from './features/playback/streams.ts'
import { examineFile } from './features/playback/examine-file.ts'
import { tendSeeds, workPublications } from './features/publishing/publishing.ts'
import { tendAccounts } from './features/users/erasure.ts'
import { makeExport } from './features/users/exports.ts'
import { forgetUnverified } from './features/users/retention.ts'
import type { JobHandler, Schedule } from './kit/jobs.ts'
import { sendMail } from './kit/mail.ts'
import { resealColumns } from './kit/reseal.ts'

/** Every kind of job and what does it. */
export const jobHandlers: Record<string, JobHandler> = {
  'account.make_export': makeExport,
  'account.tend': tendAccounts,
  'account.forget_unverified': forgetUnverified,
  'challenges.forget': forgetChallenges,
  'mail.send': sendMail,
  'keys.reseal_columns': resealColumns,
  'playback.purge_links': purgeLinks,
  'publication.tend@node': tendSeeds,
  'publication.work@node': workPublications,
  'refresh_tokens.wipe_successors': wipeSuccessors,
  'totp.forget_secrets': forgetTotpSecrets,
  'torrent.examine_file': examineFile,
  'torrent.fetch_metadata': fetchMetadata,
  'torrent.remove_data': removeData,
}

/** Which of them run by the clock, and when. */
export const schedule: Schedule = {
  'account.tend': '7 * * * *',
  'account.forget_unverified': '17 * * * *',
  'playback.purge_links': '23 * * * *',
  'refresh_tokens.wipe_successors': '* * * * *',
  'totp.forget_secrets': '27 * * * *',
  'challenges.forget': '37 * * * *',
}
