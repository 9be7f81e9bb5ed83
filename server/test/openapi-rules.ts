// The shape of document that Dart generators take without surprises, rule by rule (docs: the client guide). Each rule names its breaches.

export type Json = { [key: string]: unknown }
export type OpenApi = {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  tags?: { name: string }[]
  components: { schemas: Record<string, Json>; securitySchemes: Record<string, Json> }
}
type Content = Record<string, { schema?: Json }>
type Parameter = { name: string; in: string; required?: boolean; schema?: Json }
export type Operation = {
  operationId?: string
  tags?: string[]
  security?: Json[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, { description?: string; content?: Content }>
}
type Rule = (document: OpenApi) => string[]

type Placed = { schema: Json; at: string; top: boolean }
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
export const operationsOf = ({ paths }: OpenApi) => Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation, at: `${method.toUpperCase()} ${path}` })))
const contentsOf = ({ operation, at }: { operation: Operation; at: string }) => [
  ...Object.entries(operation.requestBody?.content ?? {}).map(([type, { schema }]) => ({ type, schema, at: `${at} body`, status: null as string | null })),
  ...Object.entries(operation.responses).flatMap(([status, { content }]) => Object.entries(content ?? {}).map(([type, { schema }]) => ({ type, schema, at: `${at} ${status}`, status }))),
]

/** Every schema of the document with the place it stands at; `top`: it is a component itself. */
function* schemasOf(document: OpenApi): Generator<Placed> {
  for (const [name, schema] of Object.entries(document.components.schemas)) yield* within(schema, name, true)
  for (const operation of operationsOf(document)) {
    for (const { name, schema } of operation.operation.parameters ?? []) if (schema) yield* within(schema, `${operation.at} ${name}`, false)
    for (const { schema, at } of contentsOf(operation)) if (schema) yield* within(schema, at, false)
  }
}
function* within(schema: Json, at: string, top: boolean): Generator<Placed> {
  yield { schema, at, top }
  for (const [name, property] of Object.entries(isObject(schema['properties']) ? schema['properties'] : {})) if (isObject(property)) yield* within(property, `${at}.${name}`, false)
  for (const keyword of ['items', 'additionalProperties', 'not'] as const) if (isObject(schema[keyword])) yield* within(schema[keyword], `${at}.${keyword}`, false)
  for (const keyword of ['allOf', 'oneOf', 'anyOf'] as const) for (const part of Array.isArray(schema[keyword]) ? (schema[keyword] as Json[]) : []) yield* within(part, `${at}.${keyword}`, false)
}
const where = (document: OpenApi, breaks: (placed: Placed) => boolean): string[] => [...schemasOf(document)].filter(breaks).map(({ at }) => at)
const isWrappedReference = ({ allOf }: Json): boolean => Array.isArray(allOf) && allOf.length === 1 && isObject(allOf[0]) && '$ref' in allOf[0]
const isReference = (schema: Json | undefined): boolean => typeof schema?.['$ref'] === 'string'

const keywords = new Set(['$ref', 'type', 'properties', 'required', 'items', 'allOf', 'oneOf', 'anyOf', 'not', 'enum', 'format', 'nullable', 'default', 'description', 'title', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'minItems', 'maxItems', 'additionalProperties', 'example', 'deprecated', 'readOnly', 'writeOnly', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'uniqueItems'])
const largest = 2 ** 53 - 1
/** What an operation does comes first; the phrases are the words people say. */
const verbs = new Set('get list search create update delete add remove start stop preview approve reject take restore ban unban end verify refresh resend begin finish change rotate reset forgot confirm report decide assign export put set revoke enrol retry test publish'.split(' '))
const phrases = new Set(['signUp', 'signIn', 'signOut', 'signOutEverywhere'])
const isVerbAndNoun = (name: string): boolean => phrases.has(name) || (/^[a-z]+([A-Z][a-z0-9]*)+$/.test(name) && verbs.has(/^[a-z]+/.exec(name)?.[0] ?? ''))
const needed = (operation: Operation, method: string, path: string): string[] => [
  ...['400', '421', '422', '429', '500', '503'],
  ...((operation.security ?? []).length > 0 ? ['401', '403'] : []),
  ...(path.includes('{') ? ['404'] : []),
  ...(method === 'get' ? [] : ['409', '413', '415']),
]

export const rules = {
  'is OpenAPI 3.0.3, with nothing of 3.1': (document) => [
    ...(document.openapi === '3.0.3' ? [] : [document.openapi]),
    ...where(document, ({ schema }) => Object.keys(schema).some((keyword) => !keywords.has(keyword)) || (schema['type'] !== undefined && typeof schema['type'] !== 'string') || typeof schema['exclusiveMinimum'] === 'number' || typeof schema['exclusiveMaximum'] === 'number'),
  ],
  'refers to what is there, and holds nothing that is not referred to': (document) => {
    const referred = new Set([...schemasOf(document)].flatMap(({ schema }) => (typeof schema['$ref'] === 'string' ? [schema['$ref']] : [])))
    const there = new Set(Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`))
    return [...referred.symmetricDifference(there)]
  },
  'has no unions': (document) => where(document, ({ schema }) => 'oneOf' in schema || 'anyOf' in schema || 'not' in schema || ('allOf' in schema && !isWrappedReference(schema))),
  'says null by nullable': (document) => where(document, ({ schema }) => schema['type'] === 'null' || (Array.isArray(schema['enum']) && schema['enum'].includes(null)) || ('nullable' in schema && schema['nullable'] !== true)),
  'names every object and every enumeration': (document) => where(document, ({ schema, top }) => !top && ('properties' in schema || schema['type'] === 'object' || 'enum' in schema)),
  'has no enumeration with a value that Dart keeps for itself': (document) => where(document, ({ schema }) => Array.isArray(schema['enum']) && schema['enum'].some((value) => ['name', 'values', 'valueOf', 'index', 'hashCode', 'runtimeType', 'toString'].includes(String(value)))),
  'enumerates text only': (document) => where(document, ({ schema }) => 'enum' in schema && (schema['type'] !== 'string' || !(schema['enum'] as unknown[]).every((value) => typeof value === 'string' && /^[A-Za-z][A-Za-z0-9_]*$/.test(value)))),
  'says a type everywhere': (document) => where(document, ({ schema }) => schema['type'] === undefined && !isReference(schema) && !isWrappedReference(schema)),
  'has no free-form maps': (document) => where(document, ({ schema }) => 'additionalProperties' in schema || (schema['type'] === 'object' && Object.keys((schema['properties'] ?? {})).length === 0)),
  'keeps integers within what JavaScript and JSON hold': (document) => where(document, ({ schema }) => schema['type'] === 'integer' && !(Number(schema['minimum']) >= -largest && Number(schema['maximum']) <= largest)),
  'has no default beside an enumeration, which Dart would not compile': (document) => where(document, ({ schema }) => 'default' in schema && (isWrappedReference(schema) || isReference(schema) || 'enum' in schema)),
  'names each operation once, as verb and noun': (document) => {
    const names = operationsOf(document).map(({ operation }) => operation.operationId ?? 'none')
    return [...names.filter((name) => !isVerbAndNoun(name)), ...names.filter((name, at) => names.indexOf(name) !== at)]
  },
  'gives each operation one tag, which is declared': (document) => operationsOf(document).flatMap(({ operation: { tags = [] }, at }) => (tags.length === 1 && document.tags?.some(({ name }) => name === tags[0]) ? [] : [at])),
  'has no inline body or answer': (document) => operationsOf(document).flatMap((operation) => contentsOf(operation).flatMap(({ schema, at }) => (isReference(schema) ? [] : [at]))),
  'keeps the bytes of streams out': (document) => [
    ...operationsOf(document).flatMap((operation) => contentsOf(operation).flatMap(({ type, at }) => (type === 'application/json' || type === 'application/problem+json' ? [] : [at]))),
    ...Object.keys(document.paths).filter((path) => /\/(stream|playlist|subtitles)\//.test(path)),
    ...where(document, ({ schema }) => schema['format'] === 'binary' || schema['format'] === 'byte'),
  ],
  'documents every error answer as a problem': (document) =>
    operationsOf(document).flatMap(({ operation, method, path, at }) => [
      ...needed(operation, method, path).filter((status) => !(status in operation.responses)).map((status) => `${at} lacks ${status}`),
      ...Object.entries(operation.responses).flatMap(([status, { content }]) => (Number(status) < 400 || content?.['application/problem+json']?.schema?.['$ref'] === '#/components/schemas/Problem' ? [] : [`${at} ${status}`])),
    ]),
  'has exactly one success an operation': (document) => operationsOf(document).flatMap(({ operation, at }) => (Object.keys(operation.responses).filter((status) => Number(status) < 400).length === 1 ? [] : [at])),
  'declares every parameter of a path, and no header': (document) =>
    operationsOf(document).flatMap(({ operation: { parameters = [] }, path, at }) => {
      const inPath = new Set([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ''))
      const declared = new Set(parameters.filter((parameter) => parameter.in === 'path' && parameter.required).map(({ name }) => name))
      return [...inPath.symmetricDifference(declared), ...parameters.filter((parameter) => !['path', 'query'].includes(parameter.in) || !parameter.schema).map(({ name }) => name)].map((name) => `${at} ${name}`)
    }),
  'says of every operation who may': (document) => operationsOf(document).flatMap(({ operation, at }) => (Array.isArray(operation.security) && operation.security.every((one) => Object.keys(one).every((name) => name in document.components.securitySchemes)) ? [] : [at])),
  // control A17
  'lets passwords travel in bodies only, and never back': (document) => [
    ...Object.entries(document.components.securitySchemes).flatMap(([name, { scheme, in: place }]) => (scheme === 'basic' || place === 'query' || place === 'cookie' ? [name] : [])),
    ...operationsOf(document).flatMap(({ operation, at }) => (operation.parameters ?? []).filter(({ name }) => /password|secret|token|code/i.test(name)).map(({ name }) => `${at} ${name}`)),
    ...operationsOf(document).flatMap((operation) => contentsOf(operation).filter(({ status }) => status !== null).flatMap(({ schema, at }) => (schema && mentionsPassword(document, schema) ? [at] : []))),
  ],
} satisfies Record<string, Rule>

function mentionsPassword(document: OpenApi, schema: Json, seen = new Set<string>()): boolean {
  return [...within(schema, '', false)].some((placed) => {
    if (Object.keys((placed.schema['properties'] ?? {})).some((name) => /^(new|current)?password(hash)?$/i.test(name))) return true
    const name = String(placed.schema['$ref'] ?? '').split('/').at(-1) ?? ''
    const named = document.components.schemas[name]
    if (!named || seen.has(name)) return false
    return mentionsPassword(document, named, seen.add(name))
  })
}

const formats: Record<string, RegExp> = {
  uuid: /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
}

/** Where a value differs from a schema of the document; a field that is not declared differs as well. */
export function differences(document: OpenApi, schema: Json, value: unknown, at = 'body'): string[] {
  const { $ref, allOf, type, nullable, properties, items, required } = schema as Json & { allOf?: Json[] }
  if (value === null && nullable === true) return []
  if (typeof $ref === 'string') return differences(document, document.components.schemas[$ref.split('/').at(-1) ?? ''] ?? {}, value, at)
  if (allOf) return allOf.flatMap((part) => differences(document, part, value, at))
  if (type === 'object') {
    if (!isObject(value)) return [`${at} is no object`]
    const declared = (properties ?? {}) as Record<string, Json>
    return [
      ...((required ?? []) as string[]).filter((name) => !(name in value)).map((name) => `${at}.${name} is missing`),
      ...Object.entries(value).flatMap(([name, one]) => (declared[name] ? differences(document, declared[name], one, `${at}.${name}`) : [`${at}.${name} is not declared`])),
    ]
  }
  if (type === 'array') return Array.isArray(value) ? value.flatMap((one, index) => differences(document, items as Json, one, `${at}.${index}`)) : [`${at} is no array`]
  if (type === 'integer' ? !Number.isSafeInteger(value) : typeof value !== type) return [`${at} is no ${String(type)}`]
  if (Array.isArray(schema['enum']) && !schema['enum'].includes(value)) return [`${at} is none of the enumeration`]
  if (typeof value === 'number' && (value < Number(schema['minimum'] ?? -Infinity) || value > Number(schema['maximum'] ?? Infinity))) return [`${at} is out of range`]
  const format = formats[String(schema['format'])]
  return typeof value === 'string' && format && !format.test(value) ? [`${at} is no ${String(schema['format'])}`] : []
}

/** Where a real answer differs from what the document says of its operation. */
export function answerDifferences(document: OpenApi, { method, path, status, contentType, body }: { method: string; path: string; status: number; contentType: string | undefined; body: unknown }): string[] {
  const documented = document.paths[path]?.[method.toLowerCase()]?.responses[String(status)]
  if (!documented) return [`${method} ${path} does not document ${status}`]
  if (!documented.content) return body === null ? [] : [`${status} has a body`]
  const type = contentType?.split(';')[0] ?? 'none'
  const schema = documented.content[type]?.schema
  return schema ? differences(document, schema, body) : [`${status} comes as ${type}`]
}
