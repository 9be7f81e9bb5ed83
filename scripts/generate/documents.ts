/** The checked-in files that are made from the code, and how: a change of the code shows in their diff. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { dumpSchema } from '../../db/dump.ts'
import { openApiDocument } from '../../server/http/openapi.ts'
import { settingsPage } from './settings.ts'

/** `make` is given the owner's login of a freshly migrated database. */
export type Document = { path: string; make(ownerUrl: string): string | Promise<string> }

export const documents: Document[] = [
  { path: 'openapi.json', make: () => `${JSON.stringify(openApiDocument(), null, 2)}\n` },
  { path: 'docs/settings.md', make: settingsPage },
  { path: 'db/schema.sql', make: dumpSchema },
]

const fileOf = ({ path }: Document) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** Whether the file differs from what the code makes now. */
export async function hasDrifted(document: Document, ownerUrl: string): Promise<boolean> {
  const [made, checkedIn] = await Promise.all([document.make(ownerUrl), readFile(fileOf(document), 'utf8').catch(() => null)])
  return made !== checkedIn
}

/** @returns whether the file had to be changed. */
export async function write(document: Document, ownerUrl: string): Promise<boolean> {
  if (!(await hasDrifted(document, ownerUrl))) return false
  await writeFile(fileOf(document), await document.make(ownerUrl))
  return true
}
