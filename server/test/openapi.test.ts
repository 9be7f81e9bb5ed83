import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openApiDocument } from '../http/openapi.ts'
import { restProcedures } from '../http/rest.ts'
import { startTestApp, type TestApp } from './app.ts'
import { answerDifferences, differences, operationsOf, rules, type Json, type OpenApi, type Operation } from './openapi-rules.ts'

const run = promisify(execFile)
const document = openApiDocument() as OpenApi
const root = fileURLToPath(new URL('../..', import.meta.url))
const copy = (): OpenApi => structuredClone(document)
const operation = (planted: OpenApi, path: string, method: string): Operation => planted.paths[path]?.[method] ?? expect.fail(`no ${method} ${path}`)
const schema = (planted: OpenApi, name: string): Json => planted.components.schemas[name] ?? expect.fail(`no ${name}`)
const property = (planted: OpenApi, name: string, key: string): Record<string, unknown> => (schema(planted, name)['properties'] as Record<string, Json>)[key] ?? expect.fail(`no ${name}.${key}`)
const signIn = (planted: OpenApi) => operation(planted, '/api/v1/auth/sign-in', 'post')
const getServer = (planted: OpenApi) => operation(planted, '/api/v1/server', 'get')

/** A document that breaks the rule, and nothing but what it takes for that. */
const planted: Record<keyof typeof rules, ((bad: OpenApi) => void)[]> = {
  'is OpenAPI 3.0.3, with nothing of 3.1': [
    (bad) => (bad.openapi = '3.1.0'),
    (bad) => (property(bad, 'User', 'name')['type'] = ['string', 'null']),
    (bad) => (property(bad, 'User', 'name')['const'] = 'x'),
    (bad) => (property(bad, 'Problem', 'status')['exclusiveMinimum'] = 0),
  ],
  'refers to what is there, and holds nothing that is not referred to': [
    (bad) => delete bad.components.schemas['Tokens'],
    (bad) => (bad.components.schemas['Orphan'] = { type: 'object', properties: { a: { type: 'string' } } }),
  ],
  'has no unions': [
    (bad) => (property(bad, 'User', 'name')['oneOf'] = [{ type: 'string' }]),
    (bad) => (property(bad, 'User', 'name')['anyOf'] = [{ type: 'string' }]),
    (bad) => (property(bad, 'User', 'name')['allOf'] = [{ type: 'string' }, { type: 'string' }]),
  ],
  'says null by nullable': [(bad) => (property(bad, 'User', 'name')['type'] = 'null'), (bad) => (schema(bad, 'Role')['enum'] = ['user', null])],
  'names every object and every enumeration': [
    (bad) => ((schema(bad, 'User')['properties'] as Json)['role'] = { type: 'string', enum: ['user'] }),
    (bad) => ((schema(bad, 'Problem')['properties'] as Json)['errors'] = { type: 'array', items: { type: 'object', properties: { path: { type: 'string' } } } }),
  ],
  'has no enumeration with a value that Dart keeps for itself': [(bad) => (schema(bad, 'TorrentSort')['enum'] = ['newest', 'name'])],
  'enumerates text only': [(bad) => Object.assign(schema(bad, 'Role'), { type: 'integer', enum: [1, 2] }), (bad) => (schema(bad, 'Role')['enum'] = ['0-day'])],
  'says a type everywhere': [(bad) => delete property(bad, 'User', 'name')['type'], (bad) => delete schema(bad, 'User')['type']],
  'has no free-form maps': [(bad) => (schema(bad, 'User')['additionalProperties'] = { type: 'string' }), (bad) => (bad.components.schemas['User'] = { type: 'object' })],
  'keeps integers within what JavaScript and JSON hold': [(bad) => delete property(bad, 'TorrentFile', 'sizeBytes')['maximum'], (bad) => (property(bad, 'TorrentFile', 'sizeBytes')['maximum'] = 2 ** 63)],
  'has no default beside an enumeration, which Dart would not compile': [(bad) => (property(bad, 'User', 'role')['default'] = 'user'), (bad) => (schema(bad, 'Role')['default'] = 'user')],
  'names each operation once, as verb and noun': [(bad) => (getServer(bad).operationId = 'server'), (bad) => (getServer(bad).operationId = 'GetServer'), (bad) => (getServer(bad).operationId = 'getMe'), (bad) => delete getServer(bad).operationId],
  'gives each operation one tag, which is declared': [(bad) => (getServer(bad).tags = []), (bad) => (getServer(bad).tags = ['Server', 'Auth']), (bad) => (getServer(bad).tags = ['Undeclared'])],
  'has no inline body or answer': [
    (bad) => (getServer(bad).responses['200'] = { description: 'x', content: { 'application/json': { schema: { type: 'object', properties: { a: { type: 'string' } } } } } }),
    (bad) => (signIn(bad).requestBody = { content: { 'application/json': { schema: { type: 'array', items: { type: 'string' } } } } }),
  ],
  'keeps the bytes of streams out': [
    (bad) => (getServer(bad).responses['200'] = { description: 'x', content: { 'video/mp4': { schema: { $ref: '#/components/schemas/User' } } } }),
    (bad) => (bad.paths['/api/v1/stream/{ticket}/{fileName}'] = { get: getServer(bad) }),
    (bad) => (property(bad, 'User', 'name')['format'] = 'binary'),
  ],
  'documents every error answer as a problem': [
    (bad) => delete signIn(bad).responses['401'] && void (signIn(bad).security = [{ accessToken: [] }]),
    (bad) => delete getServer(bad).responses['429'],
    (bad) => (getServer(bad).responses['500'] = { description: 'x' }),
    (bad) => delete operation(bad, '/api/v1/torrents/{torrentId}', 'get').responses['404'],
  ],
  'has exactly one success an operation': [(bad) => delete getServer(bad).responses['200'], (bad) => (getServer(bad).responses['204'] = { description: 'x' })],
  'declares every parameter of a path, and no header': [
    (bad) => (operation(bad, '/api/v1/torrents/{torrentId}', 'get').parameters = []),
    (bad) => (getServer(bad).parameters = [{ name: 'X-Thing', in: 'header', schema: { type: 'string' } }]),
    (bad) => (getServer(bad).parameters = [{ name: 'q', in: 'query' }]),
  ],
  'says of every operation who may': [(bad) => delete getServer(bad).security, (bad) => (getServer(bad).security = [{ unheardOf: [] }])],
  'lets passwords travel in bodies only, and never back': [
    (bad) => (bad.components.securitySchemes['basic'] = { type: 'http', scheme: 'basic' }),
    (bad) => (bad.components.securitySchemes['apiKey'] = { type: 'apiKey', in: 'query', name: 'key' }),
    (bad) => (getServer(bad).parameters = [{ name: 'password', in: 'query', schema: { type: 'string' } }]),
    (bad) => ((schema(bad, 'User')['properties'] as Json)['passwordHash'] = { type: 'string' }),
  ],
}

describe('the document', () => {
  test.each(Object.entries(rules))('%s', (_name, rule) => {
    expect(rule(document)).toEqual([])
  })

  test.each(Object.entries(planted).flatMap(([name, plants]) => plants.map((plant, at) => [name, at + 1, plant] as const)))('%s: planted breach %i is found', (name, _at, plant) => {
    const bad = copy()
    plant(bad)
    expect(rules[name as keyof typeof rules](bad)).not.toEqual([])
  })

  test('lets passwords travel in bodies only, and never back (control A17)', () => {
    expect(rules['lets passwords travel in bodies only, and never back'](document)).toEqual([])
  })

  test('holds the operations that are exposed, with the permission they demand', () => {
    const security = Object.fromEntries(operationsOf(document).map(({ operation: { operationId, security: demanded } }) => [operationId, JSON.stringify(demanded)]))
    const expected = restProcedures().map(({ rest, meta }) => [rest.name, meta.permission === 'public' ? '[]' : meta.permission === 'ingest:write' ? '[{"apiKey":[]}]' : '[{"accessToken":[]}]'])
    expect(security).toEqual(Object.fromEntries(expected))
  })

  test('is what the server hands out, and what is checked in', async () => {
    await using app: TestApp = await startTestApp()
    const answer = await app.call('GET', '/openapi.json')
    expect(answer.body).toEqual(document)
    expect(JSON.parse(await readFile(join(root, 'openapi.json'), 'utf8'))).toEqual(document)
  })
})

describe('the check of answers against the document (used by the access matrix on every answer)', () => {
  const user = { id: 'b3f3c8f0-7f3c-4a7e-9d56-3d0a8f2c1e11', email: 'a@example.org', name: null, locale: 'en', role: 'user', createdAt: '2026-01-01T00:00:00.000Z' }
  const ref = { $ref: '#/components/schemas/User' }
  test('takes a right answer', () => {
    expect(differences(document, ref, user)).toEqual([])
  })
  test.each<[string, object, string]>([
    ['a missing field', { email: undefined }, 'body.email is no string'],
    ['a field that is not declared', { passwordHash: 'x' }, 'body.passwordHash is not declared'],
    ['a wrong type', { email: 5 }, 'body.email is no string'],
    ['null where it may not be', { email: null }, 'body.email is no string'],
    ['a value outside the enumeration', { role: 'owner' }, 'body.role is none of the enumeration'],
    ['a time that is none', { createdAt: 'yesterday' }, 'body.createdAt is no date-time'],
    ['an id that is none', { id: '1' }, 'body.id is no uuid'],
  ])('finds %s', (_what, change, difference) => {
    expect(differences(document, ref, { ...user, ...change })).toEqual([difference])
  })
  test('finds a status and a type that are not documented', () => {
    const answer = { method: 'GET', path: '/api/v1/users/me', contentType: 'application/json', body: user }
    expect(answerDifferences(document, { ...answer, status: 200 })).toEqual([])
    expect(answerDifferences(document, { ...answer, status: 418 })).toEqual(['GET /api/v1/users/me does not document 418'])
    expect(answerDifferences(document, { ...answer, status: 200, contentType: 'text/html' })).toEqual(['200 comes as text/html'])
    expect(answerDifferences(document, { ...answer, status: 401 })).toEqual(['401 comes as application/json'])
  })
})

describe('generators take it', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'openapi-'))
    await writeFile(join(folder, 'openapi.json'), JSON.stringify(document))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('TypeScript: @hey-api/openapi-ts makes a client that compiles, with a function for each operation', { timeout: 180_000 }, async () => {
    const output = join(folder, 'ts')
    await run(process.execPath, [join(root, 'node_modules/@hey-api/openapi-ts/bin/run.js'), '-i', join(folder, 'openapi.json'), '-o', output, '-c', '@hey-api/client-fetch', '--no-log-file'], { cwd: folder })
    const options = { compilerOptions: { strict: true, noEmit: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler', lib: ['es2022', 'dom', 'dom.iterable'], types: [], skipLibCheck: false }, include: ['ts'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(options))
    const { stdout } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]).catch((error: { stdout: string }) => error)
    expect(stdout).toBe('')
    const made = await readFile(join(output, 'sdk.gen.ts'), 'utf8')
    for (const { rest } of restProcedures()) expect(made).toContain(`export const ${rest.name} =`)
  })

  test('Dart: openapi-generator makes a model for each named schema and no other', { timeout: 180_000 }, async ({ skip }) => {
    const jar = process.env['OPENAPI_GENERATOR_JAR']
    skip(!jar, 'OPENAPI_GENERATOR_JAR names no openapi-generator-cli.jar (no npm package brings it)')
    if (!jar) return
    const output = join(folder, 'dart')
    await run('java', ['-jar', jar, 'validate', '-i', join(folder, 'openapi.json')])
    await run('java', ['-jar', jar, 'generate', '-g', 'dart-dio', '-i', join(folder, 'openapi.json'), '-o', output], { maxBuffer: 64 * 1024 * 1024 })
    const models = (await readdir(join(output, 'lib/src/model'))).map((name) => name.replace(/\.dart$/, '').replaceAll('_', '')).filter((name) => name !== 'date')
    expect(models.sort()).toEqual(Object.keys(document.components.schemas).map((name) => name.toLowerCase()).sort())
    for (const name of await readdir(join(output, 'lib/src/api'))) {
      // a default that is no constant of Dart's does not compile
      for (const [, value] of (await readFile(join(output, 'lib/src/api', name), 'utf8')).matchAll(/\? \w+ = ([^,]+),/g)) expect(value).toMatch(/^(-?\d+|true|false|null|'.*')$/)
    }
  })
})
