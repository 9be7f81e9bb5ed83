import { sql } from 'drizzle-orm'
import { bigint, boolean, check, index, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { torrents } from './catalogue.ts'
import { moment } from './columns.ts'

/** What the operator had published, or has waiting (decision 0031): which node has the bytes, and what became of it. */
export const publications = pgTable(
  'publications',
  {
    id: uuid('id').primaryKey(),
    /** The data folder that the bytes lie in. */
    nodeId: uuid('node_id').notNull(),
    /** What was asked for, as its contract has it. */
    request: jsonb('request').$type<Record<string, unknown>>().notNull(),
    state: text('state', { enum: ['waiting', 'published', 'failed'] }).notNull(),
    webSeed: boolean('web_seed').notNull(),
    createdAt: moment('created_at').notNull(),
    startedAt: moment('started_at'),
    finishedAt: moment('finished_at'),
    bytesRead: bigint('bytes_read', { mode: 'number' }).notNull().default(0),
    faultCode: text('fault_code'),
    fault: text('fault'),
    torrentId: uuid('torrent_id').references(() => torrents.id),
    /** What it is about to become: if it fails after that, its bytes go. */
    infoHash: text('info_hash'),
    /** The torrent's name where it is a folder: paths of web seeds begin with it (BEP 19). */
    folder: text('folder'),
  },
  (t) => [
    check('publications_state', sql`${t.state} in ('waiting', 'published', 'failed')`),
    check('publications_outcome', sql`(${t.state} = 'published') = (${t.torrentId} is not null) and (${t.state} = 'failed') = (${t.fault} is not null)`),
    index('publications_node_idx').on(t.nodeId, t.state, t.createdAt),
    index('publications_torrent_idx').on(t.torrentId),
  ],
)
