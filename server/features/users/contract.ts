import { z } from 'zod'
import { Id, line, page, paging, SignInMethod, Time } from '../../kit/zod.ts'
import { Locale, Role } from '../auth/contract.ts'

export const BanUser = z.strictObject({ userId: Id, reason: line(200) })
export const UserRef = z.strictObject({ userId: Id })
export const SetRole = z.strictObject({ userId: Id, role: Role })

/** What a person may change of themselves; a name of null is no name. */
export const UpdateProfile = z.strictObject({ name: line(80).nullable().optional(), locale: Locale.optional() }).meta({ id: 'UpdateProfile' })

export const SessionQuery = z.strictObject(paging)
export const SessionRef = z.strictObject({ sessionId: Id })
export const OwnSession = z
  .object({
    id: Id,
    kind: z.enum(['app', 'console']).meta({ id: 'SessionKind' }),
    current: z.boolean().describe('The session that asks.'),
    deviceName: z.string().nullable(),
    devicePlatform: z.string().nullable(),
    methods: z.array(SignInMethod),
    createdAt: Time,
    lastSeenAt: Time.describe('A minute at most behind for the console; for an app the last refresh.'),
    network: z.string().nullable().describe('Where it was last seen from, never the whole address: IPv4 /24, IPv6 /48.'),
  })
  .meta({ id: 'OwnSession' })
export const OwnSessionPage = z.object(page(OwnSession)).meta({ id: 'OwnSessionPage' })
export const EndedSessions = z.object({ ended: z.int().min(0).describe('How many.') }).meta({ id: 'EndedSessions' })

const ExportState = z.enum(['none', 'preparing', 'ready', 'fetched', 'expired']).meta({ id: 'DataExportState' })
export const RequestedExport = z.object({ exportId: Id, state: ExportState }).meta({ id: 'RequestedDataExport' })
export const DataExport = z
  .object({
    state: ExportState,
    link: z.string().nullable().describe('Good once, until expiresAt, for whoever has it: needs no header.'),
    expiresAt: Time.nullable(),
  })
  .meta({ id: 'DataExport' })

export const ScheduledDeletion = z.object({ eraseAfter: Time.describe('Signing in before then keeps the account.') }).meta({ id: 'ScheduledDeletion' })
