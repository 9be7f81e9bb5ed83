import type postgres from 'postgres'
import { type Sql, connect } from './client.ts'

/**
 * What the migrations and grants come to, as SQL to be read in reviews: tables, indexes, constraints, functions, triggers and
 * permissions of the schema `public`. Made by introspection, because the embedded Postgres brings no pg_dump. The job queue's
 * schema is its library's own and left out.
 */
export async function dumpSchema(ownerUrl: string): Promise<string> {
  const { sql, close } = connect(ownerUrl, { max: 1, applicationName: 'torrent-streamer dump' })
  try {
    // pg_get_* leave out the schema of what is in the search path.
    await sql`set search_path to public`
    const parts: (string | string[])[] = [await extensions(sql), await types(sql), await functions(sql), await sequences(sql)]
    for (const table of await tables(sql)) parts.push(await describeTable(sql, table))
    parts.push(await views(sql), await permissions(sql))
    return ['-- Made by "npm run generate" from a migrated database. Do not edit: write a migration.', ...parts.flat()].join('\n\n') + '\n'
  } finally {
    await close()
  }
}

// Objects that belong to an extension come and go with it.
const notOfExtension = (sql: Sql, catalogue: string, oid: postgres.PendingQuery<postgres.Row[]>) =>
  sql`not exists (select 1 from pg_depend where classid = ${catalogue}::regclass and objid = ${oid} and deptype = 'e')`

type Line = { line: string }

const lines = async (query: Promise<Iterable<Line>>) => [...(await query)].map(({ line }) => line)

const paragraph = async (query: Promise<Iterable<Line>>) => {
  const found = await lines(query)
  return found.length > 0 ? [found.join('\n')] : []
}

const extensions = (sql: Sql) =>
  paragraph(sql<Line[]>`select format('create extension %I;', extname) as line from pg_extension where extname <> 'plpgsql' order by extname`)

const types = (sql: Sql) =>
  lines(sql<Line[]>`
    select format('create type %I as enum (%s);', typname, string_agg(quote_literal(enumlabel), ', ' order by enumsortorder)) as line
    from pg_type t join pg_enum on enumtypid = t.oid
    where typnamespace = 'public'::regnamespace and ${notOfExtension(sql, 'pg_type', sql`t.oid`)}
    group by typname order by typname`)

const functions = (sql: Sql) =>
  lines(sql<Line[]>`
    select rtrim(pg_get_functiondef(p.oid), E'\n') || ';' as line from pg_proc p
    where pronamespace = 'public'::regnamespace and prokind in ('f', 'p') and ${notOfExtension(sql, 'pg_proc', sql`p.oid`)}
    order by proname, p.oid::regprocedure::text`)

// Those behind identity and serial columns are told with their column.
const sequences = (sql: Sql) =>
  lines(sql<Line[]>`
    select format('create sequence %I;', relname) as line from pg_class c
    where relnamespace = 'public'::regnamespace and relkind = 'S'
      and not exists (select 1 from pg_depend where objid = c.oid and deptype in ('a', 'i')) order by relname`)

const views = (sql: Sql) =>
  lines(sql<Line[]>`
    select format('create %sview %I as%s%s', case relkind when 'm' then 'materialized ' else '' end, relname, E'\n', pg_get_viewdef(c.oid)) as line
    from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('v', 'm') and ${notOfExtension(sql, 'pg_class', sql`c.oid`)}
    order by relname`)

type Table = { oid: number; name: string; unlogged: boolean; rowSecurity: boolean; partition: string | null; options: string | null }

const tables = (sql: Sql) =>
  sql<Table[]>`
    select c.oid, quote_ident(relname) as name, relpersistence = 'u' as unlogged, relrowsecurity as "rowSecurity",
      pg_get_partkeydef(c.oid) as partition, array_to_string(reloptions, ', ') as options
    from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and ${notOfExtension(sql, 'pg_class', sql`c.oid`)}
    order by relname`

async function describeTable(sql: Sql, table: Table): Promise<string> {
  const columns = await lines(sql<Line[]>`
    select concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
      case when attnotnull then 'not null' end,
      case when attidentity <> '' then 'generated ' || case attidentity when 'a' then 'always' else 'by default' end || ' as identity' end,
      case when attgenerated = 's' then format('generated always as (%s) stored', pg_get_expr(adbin, adrelid))
        when attgenerated = 'v' then format('generated always as (%s) virtual', pg_get_expr(adbin, adrelid))
        when adbin is not null then 'default ' || pg_get_expr(adbin, adrelid) end) as line
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = ${table.oid} and attnum > 0 and not attisdropped order by attnum`)
  // Since Postgres 18 "not null" is a constraint too ('n'); the columns have said it.
  const constraints = await lines(sql<Line[]>`
    select format('constraint %I %s', conname, pg_get_constraintdef(oid)) as line from pg_constraint
    where conrelid = ${table.oid} and contype in ('p', 'u', 'f', 'c', 'x') order by contype <> 'p', contype, conname`)
  const indexes = await lines(sql<Line[]>`
    select pg_get_indexdef(indexrelid) || ';' as line from pg_index
    where indrelid = ${table.oid} and not exists (select 1 from pg_constraint where conindid = indexrelid and conrelid = ${table.oid} and contype in ('p', 'u', 'x'))
    order by 1`)
  const triggers = await lines(sql<Line[]>`select pg_get_triggerdef(oid) || ';' as line from pg_trigger where tgrelid = ${table.oid} and not tgisinternal order by tgname`)
  const policies = await lines(sql<Line[]>`
    select format('create policy %I on %s for %s to %s%s%s;', policyname, ${table.name}::text, lower(cmd), array_to_string(roles, ', '),
      ' using (' || qual || ')', ' with check (' || with_check || ')') as line
    from pg_policies where schemaname = 'public' and format('%I', tablename) = ${table.name}::text order by policyname`)
  const comments = await lines(sql<Line[]>`
    select format('comment on %s is %L;', case objsubid when 0 then 'table ' || ${table.name}::text
      else format('column %s.%I', ${table.name}::text, (select attname from pg_attribute where attrelid = objoid and attnum = objsubid)) end, description) as line
    from pg_description where classoid = 'pg_class'::regclass and objoid = ${table.oid} order by objsubid`)
  const head = `create ${table.unlogged ? 'unlogged ' : ''}table ${table.name} (`
  const tail = `)${table.partition ? ` partition by ${table.partition}` : ''}${table.options ? ` with (${table.options})` : ''};`
  const body = [...columns, ...constraints].map((line) => `  ${line}`).join(',\n')
  const rowSecurity = table.rowSecurity ? [`alter table ${table.name} enable row level security;`] : []
  return [head, body, tail, ...indexes, ...triggers, ...rowSecurity, ...policies, ...comments].join('\n')
}

/** Who may do what, but the owner, who may do everything. */
const permissions = (sql: Sql) =>
  paragraph(sql<Line[]>`
    with acl as (
      select relkind, quote_ident(relname) as name, null as columns, relacl as items, relowner as owner from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
      union all
      select 'c', quote_ident(relname), quote_ident(attname), attacl, relowner from pg_attribute join pg_class c on c.oid = attrelid
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and attacl is not null
    )
    select format('grant %s%s on %s%s to %s;', string_agg(lower(privilege_type), ', ' order by privilege_type), ' (' || columns || ')',
      case relkind when 'S' then 'sequence ' else '' end, name, case grantee when 0 then 'public' else grantee::regrole::text end) as line
    from acl, aclexplode(items) where grantee <> owner
    group by relkind, name, columns, grantee order by case grantee when 0 then 'public' else grantee::regrole::text end, name, columns nulls first`)
