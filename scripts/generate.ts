/**
 * `npm run generate`: writes the checked-in files that are made from the code. With `--check` it writes nothing, names those that
 * have drifted and exits with 1.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createTestDatabase, startTestServer } from '../server/test/database.ts'
import { documents, hasDrifted, write } from './generate/documents.ts'

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const server = await startTestServer(fileURLToPath(new URL('../.cache/test-postgres', import.meta.url)))
try {
  await using database = await createTestDatabase(server)
  for (const document of documents) {
    const { owner } = database.urls
    if (!values.check) console.log(`${document.path}: ${(await write(document, owner)) ? 'written' : 'up to date'}`)
    else if (await hasDrifted(document, owner)) {
      console.error(`${document.path} has drifted from the code; "npm run generate" makes it anew.`)
      process.exitCode = 1
    }
  }
} finally {
  await server.stop()
}
