import { z } from 'zod'
import { Problem } from '../kit/errors.ts'
import { isScope, type Permission } from '../kit/permissions.ts'
import { apiBase, restProcedures } from './rest.ts'

type Json = { [key: string]: unknown }

/** Status codes that any operation of a kind may answer with; each is a problem document. */
const everyOperation = [400, 421, 422, 429, 500, 503]
const described: Record<number, string> = {
  400: 'Malformed request',
  401: 'Not, or no longer, signed in',
  403: 'Not permitted',
  404: 'No such thing',
  409: 'Conflict with its present state',
  413: 'Too large',
  415: 'Unsupported media type',
  421: 'Wrong host',
  422: 'A field is not valid',
  429: 'Too many requests',
  500: 'Fault of the server',
  503: 'Not available just now',
}

/**
 * The OpenAPI 3.0.3 document of the REST procedures, in the shape that Dart generators take: every object and enum
 * a named component, no unions, nullable instead of type arrays, one tag an operation.
 */
export function openApiDocument(): Json {
  const components = new Components()
  components.add(Problem, 'output')
  const paths: Record<string, Json> = {}
  for (const { rest, meta, input, output } of restProcedures()) {
    const operation: Json = {
      operationId: rest.name,
      summary: rest.summary,
      tags: [rest.tag],
      ...(meta.permission ? { security: securityFor(meta.permission) } : {}),
      ...inputOf(components, rest, input),
      responses: {
        [rest.status]: rest.status === 204 ? { description: 'Done' } : { description: 'The answer', content: { 'application/json': { schema: components.add(output, 'output') } } },
        ...problems(rest.method, meta.permission ?? 'public', rest.path),
      },
    }
    ;(paths[apiBase + rest.path] ??= {})[rest.method.toLowerCase()] = operation
  }
  return {
    openapi: '3.0.3',
    info: { title: 'torrent-streamer', version: '1.0.0', description: 'Catalogue, accounts and playback of a torrent-streamer service. Errors are problem documents (RFC 9457).', license: { name: 'MIT' } },
    servers: [{ url: '/' }],
    tags: [...new Set(restProcedures().map(({ rest }) => rest.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  }
}

function securityFor(permission: Permission): Json[] {
  if (permission === 'public') return []
  return isScope(permission) ? [{ apiKey: [] }] : [{ accessToken: [] }]
}

function problems(method: string, permission: Permission, path: string): Json {
  const statuses = [...everyOperation]
  if (permission !== 'public') statuses.push(401, 403)
  if (permission === 'public' && path.startsWith('/auth/')) statuses.push(401, 403)
  if (path.includes('{')) statuses.push(404)
  if (method !== 'GET') statuses.push(409, 413, 415)
  return Object.fromEntries(
    statuses.sort((a, b) => a - b).map((status) => [status, { description: described[status], content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }]),
  )
}

/** Path parameters, query parameters (GET, DELETE) and body (the rest) out of one input schema. */
function inputOf(components: Components, { method, path, name }: { method: string; path: string; name: string }, input: z.ZodObject | null): Json {
  if (!input) return {}
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')
  const fields = Object.entries(input.shape)
  const hasBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const parameters = fields
    .filter(([key]) => inPath.includes(key) || !hasBody)
    .map(([key, schema]) => ({ name: key, in: inPath.includes(key) ? 'path' : 'query', required: inPath.includes(key) || !z.safeParse(schema as z.ZodType, undefined).success, schema: components.add(schema as z.ZodType, 'input') }))
  const bodyFields = fields.filter(([key]) => hasBody && !inPath.includes(key))
  const body = inPath.length === 0 ? input : z.strictObject(Object.fromEntries(bodyFields)).meta({ id: `${name.charAt(0).toUpperCase()}${name.slice(1)}Body` })
  return {
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(bodyFields.length > 0 ? { requestBody: { required: true, content: { 'application/json': { schema: components.add(body, 'input') } } } } : {}),
  }
}

/** Gathers named schemas; two different ones under one name are a fault of the contracts. */
class Components {
  readonly schemas: Record<string, Json> = {}

  /** Adds a schema and all named ones inside it; returns a reference, or the schema itself where it has no name. */
  add(schema: z.ZodType, io: 'input' | 'output'): Json {
    const { definitions = {}, $schema: _dialect, ...root } = z.toJSONSchema(schema, { target: 'openapi-3.0', io, unrepresentable: 'any' }) as Json & { definitions?: Record<string, Json> }
    for (const [name, definition] of Object.entries(definitions)) this.register(name, tidy(definition))
    const id = schema.meta()?.id
    if (typeof id !== 'string') return tidy(root)
    if (!('$ref' in root)) this.register(id, tidy(root))
    return { $ref: `#/components/schemas/${id}` }
  }

  private register(name: string, definition: Json): void {
    const before = this.schemas[name]
    if (before && JSON.stringify(before) !== JSON.stringify(definition)) throw new Error(`Two schemas are named ${name}.`)
    this.schemas[name] = definition
  }
}

/** zod wraps a reference that stands alone as `allOf`, of which some generators make a class of its own. */
function loneReference(value: unknown): unknown {
  const { allOf, ...more } = (value ?? {}) as { allOf?: unknown[] }
  return allOf?.length === 1 && Object.keys(more).length === 0 ? allOf[0] : null
}

/** References into components; no patterns beside a format, which some generators take for a second rule; no `additionalProperties: false`, so that fields may grow. */
function tidy(node: Json): Json {
  return JSON.parse(
    JSON.stringify(node, (key, value: unknown) => {
      if (isWrappedReference(value)) return plainReference(value)
      if (key === '$ref' && typeof value === 'string') return value.replace('#/definitions/', '#/components/schemas/')
      if (key === 'id' && typeof value === 'string') return undefined
      if (key === 'additionalProperties' && value === false) return undefined
      const alone = loneReference(value)
      if (alone) return alone
      if (value !== null && typeof value === 'object' && 'format' in value && 'pattern' in value) {
        const { pattern: _pattern, ...rest } = value as Json
        return rest
      }
      return value
    }),
  ) as Json
}

type WrappedReference = Json & { allOf: [Json] }
const isWrappedReference = (value: unknown): value is WrappedReference => typeof value === 'object' && value !== null && 'allOf' in value && Array.isArray(value.allOf) && value.allOf.length === 1

/** A reference with nothing to add is one; a default beside it would stand in Dart code as a bare word, so it is told in words. */
function plainReference({ allOf, default: otherwise, ...rest }: WrappedReference): Json {
  const description = [rest['description'], otherwise === undefined ? undefined : `Default: ${JSON.stringify(otherwise).replaceAll('"', '')}.`].filter(Boolean).join(' ')
  const beside = { ...rest, ...(description ? { description } : {}) }
  return Object.keys(beside).length === 0 ? allOf[0] : { ...beside, allOf }
}
