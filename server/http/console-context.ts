import { redirect, type AppLoadContext } from '@remix-run/server-runtime'
import type { FastifyRequest } from 'fastify'
import { SignIn } from '../features/auth/contract.ts'
import { knownDeviceClient } from '../features/auth/devices.ts'
import { signInToConsole } from '../features/auth/sign-in.ts'
import type { Actor, Deps } from '../kit/context.ts'
import { invalidFrom, PermissionDenied, problemOf, toAppError, type AppError } from '../kit/errors.ts'
import { addressKey } from '../kit/limits.ts'
import { roleMay, type Permission } from '../kit/permissions.ts'
import { createCallerFactory } from '../kit/procedure.ts'
import { appRouter } from '../router.ts'
import type { Integrity } from './console-assets.ts'
import { deviceOf, newVisit, readVisit, signedInCookies, signedOutCookies, type Visit } from './console-session.ts'
import { createCtx, requestInfo } from './context.ts'
import { csrfToken, demandCsrf } from './csrf.ts'
import { reportIfOurs } from './problems.ts'

const createCaller = createCallerFactory(appRouter)

export type PageContext = { context: AppLoadContext; cookies: string[]; headers: Record<string, string> }

/**
 * What the routes of the console stand on. A fault while reading the session lets nobody in and is told by the page
 * itself, so that it looks like one (control B13).
 */
export async function createPageContext(deps: Deps, request: FastifyRequest, integrity: Integrity): Promise<PageContext> {
  let fault: AppError | null = null
  const visit = await readVisit(deps, request).catch((error: unknown): Visit => {
    fault = toAppError(error)
    return { actor: null, binding: null }
  })
  const cookies: string[] = []
  let { binding } = visit
  if (!binding) {
    const begun = newVisit(deps)
    binding = begun.binding
    cookies.push(begun.setCookie)
  }
  const actor: Actor = visit.actor ?? { kind: 'anonymous' }
  request.actor = actor
  const info = requestInfo(request)
  const ctx = createCtx(deps, actor, info)
  const api = createCaller(ctx)
  const form = new URLSearchParams(Buffer.isBuffer(request.body) ? request.body.toString('utf8') : '')

  const context: AppLoadContext = {
    api,
    actor: visit.actor && { userId: visit.actor.userId, role: visit.actor.role },
    csrfToken: csrfToken(deps, binding),
    cspNonce: request.cspNonce,
    integrity,
    requestId: request.id,
    now: deps.now(),
    form,
    session: {
      async signIn(given) {
        const asked = { ...given, device: deviceOf(deps, request) }
        const client = (await knownDeviceClient(ctx, asked)) ?? addressKey(request.ip)
        Object.assign(info.headers, await deps.limits.charge('credentials', client))
        const input = SignIn.safeParse(asked)
        if (!input.success) throw invalidFrom(input.error)
        const session = await signInToConsole(ctx, input.data)
        if (visit.actor) await api.auth.signOut()
        cookies.push(...signedInCookies(deps, session))
      },
      async signOut() {
        await api.auth.signOut()
        cookies.push(...signedOutCookies(deps))
      },
    },
    async attempt(work) {
      try {
        return { ok: true, value: await work() }
      } catch (thrown) {
        const error = toAppError(thrown)
        if (error.status >= 500) throw thrown
        return { ok: false, problem: problemOf(error, request.id) }
      }
    },
    enter(permission, { url, method }) {
      if (permission === 'public') return
      if (fault) throw fault
      const { role } = visit.actor ?? {}
      if (role && roleMay(role, permission as Permission)) return
      if (role) throw new PermissionDenied()
      const { pathname, search } = new URL(url)
      const next = method === 'GET' ? `?next=${encodeURIComponent(pathname + search)}` : ''
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- Remix takes a thrown answer for a redirect
      throw redirect(`/sign-in${pathname === '/' && search === '' ? '' : next}`)
    },
    demandCsrf: () => demandCsrf(deps, request, visit.binding, form.get('csrf')),
    report: (error) => reportIfOurs(deps, toAppError(error), request.id),
  }
  return { context, cookies, headers: info.headers }
}
