import { expect, test } from 'vitest'
import { connect } from '../../db/client.ts'
import { readConfig } from '../config.ts'
import { createTestDatabase } from '../test/database.ts'
import { demandSafeRole } from './database-role.ts'
import { createLog } from './log.ts'

const configs = { loopback: readConfig({}).config, production: readConfig({ PUBLIC_URL: 'https://films.example.org', TRUSTED_PROXIES: '10.0.0.1' }).config }

test.each([
  ['app', 'production', null],
  ['app', 'loopback', null],
  ['owner', 'production', /ts_owner, which owns the tables/],
  ['superuser', 'production', /which is a superuser/],
  ['maintenance', 'production', null],
] as const)('serving as %s in %s', async (role, place, fault) => {
  await using database = await createTestDatabase()
  const { db, close } = connect(database.urls[role], { max: 1 })
  try {
    const demand = demandSafeRole({ db, config: configs[place], log: createLog('silent') })
    if (fault) await expect(demand).rejects.toThrow(fault)
    else await expect(demand).resolves.toBeUndefined()
  } finally {
    await close()
  }
})

test('outside production the owner may serve, and is told', async () => {
  await using database = await createTestDatabase()
  const { db, close } = connect(database.urls.owner, { max: 1 })
  const lines: string[] = []
  await demandSafeRole({ db, config: configs.loopback, log: createLog('info', { write: (line) => void lines.push(line) }) }).finally(close)
  expect(lines.join('')).toContain('use ts_app')
})
