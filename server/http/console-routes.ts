import { data, type ActionFunctionArgs, type LoaderFunctionArgs, type ServerBuild } from '@remix-run/server-runtime'
import { problemOf, toAppError } from '../kit/errors.ts'
import type { Permission } from '../kit/permissions.ts'

type Route = ServerBuild['routes'][string]
type Args = LoaderFunctionArgs | ActionFunctionArgs

/**
 * The console's build with a guard around every loader and action: each route module declares
 * `handle = { permission }`, and nothing of it runs for who lacks it (control A13).
 * @throws Error for a route without a declared permission, or with one that nothing would enforce.
 */
export function guardRoutes(build: ServerBuild): ServerBuild {
  return { ...build, routes: Object.fromEntries(Object.entries(build.routes).map(([id, route]) => [id, route ? guardRoute(id, route) : route])) }
}

/** What each route of the console demands, by route id. */
export function routePermissions(build: ServerBuild): Map<string, Permission> {
  return new Map(Object.entries(build.routes).flatMap(([id, route]) => (route ? [[id, permissionOf(id, route)] as const] : [])))
}

function guardRoute(id: string, route: Route & object): Route & object {
  const permission = permissionOf(id, route)
  const { loader, action, handle } = route.module
  const beforeEnrolment = (handle as { beforeEnrolment?: unknown } | undefined)?.beforeEnrolment === true
  if (permission !== 'public' && !loader) throw new Error(`The console's route ${id} needs a loader: its permission is checked there.`)
  return {
    ...route,
    module: {
      ...route.module,
      ...(loader ? { loader: (args: LoaderFunctionArgs) => faced(args, () => (args.context.enter(permission, args.request, { beforeEnrolment }), loader(args))) } : {}),
      ...(action ? { action: (args: ActionFunctionArgs) => faced(args, () => (args.context.enter(permission, args.request, { beforeEnrolment }), args.context.demandCsrf(), action(args))) } : {}),
    },
  }
}

function permissionOf(id: string, { module }: Route & object): Permission {
  const { permission } = (module.handle ?? {}) as { permission?: unknown }
  if (typeof permission !== 'string' || permission === '') throw new Error(`The console's route ${id} declares no permission.`)
  return permission as Permission
}

/** Whatever a route throws becomes a problem with its public face; redirects and answers pass. */
async function faced<T>({ context }: Args, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof Response || isAnswer(thrown)) throw thrown
    const error = toAppError(thrown)
    context.report(error)
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- Remix takes a thrown answer for the error page's data
    throw data(problemOf(error, context.requestId), { status: error.status, headers: error.headers })
  }
}

const isAnswer = (thrown: unknown): boolean => typeof thrown === 'object' && thrown !== null && 'type' in thrown && thrown.type === 'DataWithResponseInit'
