import { and, asc, desc, eq, sql, type SQL } from 'drizzle-orm'
import type { z } from 'zod'
import { torrents } from '../../../db/schema/index.ts'
import type { Tx } from '../../../db/client.ts'
import type { Ctx } from '../../kit/context.ts'
import type { SearchQuery, TorrentPage } from './contract.ts'
import { isListed, summaryColumns, toSummaries } from './listed.ts'

type Search = z.infer<typeof SearchQuery>
/** How titles are found: by words, or, where no title has them, by likeness. `all`: no words were given. */
type Mode = 'words' | 'similar' | 'all'
type Position = { mode: Mode; asOf: string; key: string | number; approvedAt: string; id: string }

/**
 * By relevance only the newest matches are weighed: a word that half of all titles have would cost a tenth of a second
 * and more on 100,000 titles, and weighing tells little about such words.
 */
const weighed = 2_000
/** Below it a title is not like the words; pg_trgm's own 0.6 misses two wrong letters in a name. */
const leastLikeness = 0.45

/**
 * Approved titles by words in title and description, the last word possibly unfinished. Where no title has the words,
 * titles that are spelt alike. Cursors stay with the mode and the moment of the first page.
 */
export async function searchTorrents(ctx: Ctx, search: Search): Promise<z.infer<typeof TorrentPage>> {
  const list = `search ${JSON.stringify([search.q, search.category, search.licence, search.sort])}`
  const after = search.cursor === undefined ? null : positionOf(ctx.cursors.decode(list, search.cursor))
  const asOf = after?.asOf ?? ctx.now().toISOString()
  const find = async (mode: Mode) => ({ mode, rows: await readPage(ctx, search, { mode, asOf, after }) })

  let found = await find(after?.mode ?? (search.q === undefined ? 'all' : 'words'))
  if (found.rows.length === 0 && !after && found.mode === 'words' && !isExact(search.q ?? '')) found = await find('similar')

  const rows = found.rows.slice(0, search.limit)
  const last = rows.at(-1)
  const more = found.rows.length > search.limit && last
  return {
    items: await toSummaries(ctx, rows),
    nextCursor: more ? ctx.cursors.encode(list, [found.mode, asOf, last.key, last.approvedAt?.toISOString() ?? null, last.id]) : null,
  }
}

/** Who quotes or excludes wants just that. */
const isExact = (q: string): boolean => /"|(^|\s)-/.test(q)

/** What a cursor of ours holds; it is authenticated, so its form is known. */
const positionOf = ([mode, asOf, key, approvedAt, id]: unknown[]) => ({ mode, asOf, key, approvedAt, id }) as Position

/** As indexed; longer titles than this are told apart by their ids. */
const titleKey = sql`left(immutable_unaccent(lower(${torrents.title})), 64)`
const spelling = sql`immutable_unaccent(lower(${torrents.title}))`
const newestFirst = [sql`${torrents.approvedAt} desc nulls last`, sql`${torrents.id} desc nulls last`]

/** `read` gives a cursor's value the key's type again. */
type Order = { key: SQL; read: (value: string | number) => SQL; ascending?: boolean }
const asScore = (value: string | number) => sql`${value}::float8`
const asCount = (value: string | number) => sql`${value}::bigint`
const orders: Record<Exclude<Search['sort'], 'relevance'>, Order> = {
  newest: { key: sql`${torrents.approvedAt}`, read: (value) => sql`${value}::timestamptz` },
  title: { key: titleKey, read: (value) => sql`${value}::text`, ascending: true },
  size: { key: sql`coalesce(${torrents.sizeBytes}, 0)`, read: asCount },
  seeders: { key: sql`coalesce(${torrents.seeders}, -1)`, read: asCount },
}

async function readPage({ db }: Ctx, { q = '', category, licence, sort, limit }: Search, { mode, asOf, after }: { mode: Mode; asOf: string; after: Position | null }) {
  const words = sql`search_query(${q})`
  const like = sql`immutable_unaccent(lower(${q}))`
  const matches = and(
    isListed,
    sql`${torrents.approvedAt} <= ${asOf}::timestamptz`,
    mode === 'words' ? sql`${torrents.search} @@ ${words}` : undefined,
    // this way round, because an index expression must stand on the left
    mode === 'similar' ? sql`${spelling} %> ${like}` : undefined,
    category === undefined ? undefined : eq(torrents.categoryId, category),
    licence === undefined ? undefined : eq(torrents.licence, licence),
  )
  if (mode === 'words') {
    return sort === 'relevance' ? weigh(db, { key: sql`ts_rank(${torrents.search}, ${words})::float8`, read: asScore }) : walk(orders[sort])
  }
  if (mode === 'all') return walk(orders[sort === 'relevance' ? 'newest' : sort])
  return db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('pg_trgm.word_similarity_threshold', ${String(leastLikeness)}, true)`)
    return weigh(tx, sort === 'relevance' ? { key: sql`word_similarity(${like}, ${spelling})::float8`, read: asScore } : orders[sort])
  })

  /** Along the index of the order, or sorting a few matches: Postgres knows how common each word is. */
  function walk({ key, read, ascending = false }: Order) {
    const further = after ? sql`(${key}, ${torrents.id}) ${compare(ascending)} (${read(after.key)}, ${after.id}::uuid)` : undefined
    const order = ascending ? [key, sql`${torrents.id}`] : [sql`${key} desc nulls last`, sql`${torrents.id} desc nulls last`]
    return db.select({ ...summaryColumns, key: key as SQL<string | number> }).from(torrents).where(and(matches, further)).orderBy(...order).limit(limit + 1)
  }

  /** The newest matches first of all, then these by the order: their number is bounded, whatever the words. */
  function weigh(reader: Ctx['db'] | Tx, { key, read, ascending = false }: Order) {
    const hits = reader.select({ ...summaryColumns, key: (key as SQL<string | number>).as('sort_key') }).from(torrents).where(matches).orderBy(...newestFirst).limit(weighed).as('hits')
    const position = [hits.key, hits.approvedAt, hits.id]
    const further = after
      ? sql`(${hits.key}, ${hits.approvedAt}, ${hits.id}) ${compare(ascending)} (${read(after.key)}, ${after.approvedAt}::timestamptz, ${after.id}::uuid)`
      : undefined
    return reader.select().from(hits).where(further).orderBy(...position.map((column) => (ascending ? asc(column) : desc(column)))).limit(limit + 1)
  }
}

const compare = (ascending: boolean) => (ascending ? sql`>` : sql`<`)
