import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Actor, Deps } from '../kit/context.ts'
import { Invalid } from '../kit/errors.ts'
import { createCallerFactory, type Meta, type Rest } from '../kit/procedure.ts'
import { appRouter, exposed } from '../router.ts'
import { createCtx, requestInfo } from './context.ts'

export const apiBase = '/api/v1'

type RestProcedure = { name: string; rest: NonNullable<Meta['rest']>; meta: Meta; input: z.ZodObject | null; output: z.ZodType }

/** The procedures that REST exposes, with their schemas. Throws when one of the allow-list has no REST face. */
export function restProcedures(): RestProcedure[] {
  const procedures = appRouter._def.procedures as unknown as Record<string, { _def: { meta?: Meta; inputs: unknown[]; output?: unknown } }>
  return exposed.map((name) => {
    const definition = procedures[name]?._def
    const { meta } = definition ?? {}
    if (!meta?.rest || !(definition?.output instanceof z.ZodType)) throw new Error(`${name} is exposed by REST but lacks rest(…) or an output schema`)
    const input = definition.inputs[0]
    return { name, rest: meta.rest, meta, input: input instanceof z.ZodObject ? input : null, output: definition.output }
  })
}

/** A real route for each exposed procedure: path, query and body become its input, its output the answer. */
export function mountRest(app: FastifyInstance, deps: Deps, readActor: (request: FastifyRequest) => Promise<Actor>): void {
  const createCaller = createCallerFactory(appRouter)
  for (const procedure of restProcedures()) {
    const { name, rest, meta } = procedure
    const decode = inputDecoder(procedure)
    app.route({
      method: rest.method,
      url: apiBase + rest.path.replace(/\{(\w+)\}/g, ':$1'),
      config: { permission: meta.permission ?? null },
      ...(meta.bodyBytes === undefined ? {} : { bodyLimit: meta.bodyBytes }),
      handler: async (request, reply) => {
        const info = requestInfo(request)
        const ctx = createCtx(deps, await readActor(request), info)
        request.actor = ctx.actor
        // what an app shows of a person must not stay in shared caches; most answers are such
        reply.header('cache-control', 'no-store')
        // not an expression: a reply is a promise of the answer's end
        const tellLimits = () => void reply.headers(info.headers)
        const output = await callByPath(createCaller(ctx), name)(decode(request)).finally(tellLimits)
        if (rest.status === 204) return reply.code(204).send()
        return reply.code(rest.status).type('application/json').send(JSON.stringify(output))
      },
    })
  }
}

function callByPath(caller: unknown, path: string): (input: unknown) => Promise<unknown> {
  const procedure = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], caller)
  return procedure as (input: unknown) => Promise<unknown>
}

/** Query and path arrive as text: numbers and booleans are read strictly where the schema has them, and nothing else is coerced. */
export function inputDecoder({ rest, input }: { rest: Pick<Rest, 'method'>; input: z.ZodObject | null }): (request: FastifyRequest) => unknown {
  if (!input) return refuseAnyInput
  const json = z.toJSONSchema(input, { target: 'openapi-3.0', io: 'input' }) as { properties?: Record<string, { type?: string }> }
  const readText = (key: string, value: unknown): unknown => {
    if (Array.isArray(value)) throw new Invalid([{ path: key, message: 'must be given once' }])
    const type = json.properties?.[key]?.type
    const text = String(value)
    if (type === 'integer' && /^-?(0|[1-9]\d{0,15})$/.test(text)) return Number(text)
    if (type === 'number' && /^-?(0|[1-9]\d{0,15})(\.\d{1,16})?$/.test(text)) return Number(text)
    if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
    return text
  }
  const readAll = (values: unknown) => Object.fromEntries(Object.entries((values ?? {}) as Record<string, unknown>).map(([key, value]) => [key, readText(key, value)]))
  const hasBody = rest.method === 'POST' || rest.method === 'PUT' || rest.method === 'PATCH'
  return ({ params, query, body }) => {
    const path = readAll(params)
    if (!hasBody) {
      refuseKeys(body, () => true)
      refuseKeys(query, (key) => key in path)
      return { ...readAll(query), ...path }
    }
    refuseKeys(query, () => true)
    if (body !== undefined && body !== null && (typeof body !== 'object' || Array.isArray(body))) throw new Invalid([{ path: '', message: 'must be a JSON object' }])
    refuseKeys(body, (key) => key in path)
    return { ...(body as object | null), ...path }
  }
}

/** What stands where no field is read is told, as an unknown field of a body is (control B1). */
function refuseKeys(values: unknown, which: (key: string) => boolean): void {
  const unknown = Object.keys((values ?? {})).filter(which)
  if (unknown.length > 0) throw new Invalid(unknown.map((path) => ({ path, message: 'is not a known field' })), 'unknown_field')
}

function refuseAnyInput({ query, body }: FastifyRequest): undefined {
  refuseKeys(query, () => true)
  refuseKeys(body, () => true)
}
