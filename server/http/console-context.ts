import { redirectDocument, type AppLoadContext } from '@remix-run/server-runtime'
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { SignIn } from '../features/auth/contract.ts'
import { knownDeviceClient } from '../features/auth/devices.ts'
import type { NewSession } from '../features/auth/sessions.ts'
import { signInToConsole } from '../features/auth/sign-in.ts'
import { FinishPasskeySignIn, VerifyMfa } from '../features/factors/contract.ts'
import { beginPasskeySignIn, finishConsolePasskeySignIn } from '../features/factors/passkey-sign-in.ts'
import { finishConsoleSignIn } from '../features/factors/second-factor.ts'
import type { Actor, Deps } from '../kit/context.ts'
import { invalidFrom, PermissionDenied, problemOf, toAppError, type AppError } from '../kit/errors.ts'
import { addressKey, type LimitClass } from '../kit/limits.ts'
import { roleMay, type Permission } from '../kit/permissions.ts'
import { createCallerFactory } from '../kit/procedure.ts'
import { isFresh, lacksFactor } from '../kit/proofs.ts'
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

  const charge = async (limitClass: LimitClass, client: string | null = null) => void Object.assign(info.headers, await deps.limits.charge(limitClass, client ?? addressKey(request.ip)))
  const chargeGuess = (client: string | null = null) => charge('credentials', client)
  const device = deviceOf(deps, request)
  const enterSession = async (session: NewSession) => {
    if (visit.actor) await api.auth.signOut()
    cookies.push(...signedInCookies(deps, session))
  }

  const context: AppLoadContext = {
    api,
    actor: visit.actor && { userId: visit.actor.userId, role: visit.actor.role, lacksFactor: lacksFactor(visit.actor), fresh: isFresh(deps, visit.actor) },
    csrfToken: csrfToken(deps, binding),
    cspNonce: request.cspNonce,
    integrity,
    requestId: request.id,
    now: deps.now(),
    form,
    session: {
      async signIn(given) {
        const asked = { ...given, device }
        await chargeGuess(await knownDeviceClient(ctx, asked))
        const { session, mfa } = await signInToConsole(ctx, read(SignIn, asked))
        if (session) await enterSession(session)
        return mfa
      },
      async verify(given) {
        await chargeGuess()
        await enterSession(await finishConsoleSignIn(ctx, read(VerifyMfa, given)))
      },
      async beginPasskey() {
        await chargeGuess()
        return beginPasskeySignIn(ctx, 'console')
      },
      async offerPasskey() {
        await charge('write')
        return beginPasskeySignIn(ctx, 'console')
      },
      async finishPasskey(given) {
        await chargeGuess()
        await enterSession(await finishConsolePasskeySignIn(ctx, read(FinishPasskeySignIn, { ...given, device })))
      },
      async signOut() {
        await api.auth.signOut()
        cookies.push(...signedOutCookies(deps))
      },
      forget() {
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
    enter(permission, { url, method }, { beforeEnrolment = false } = {}) {
      if (permission === 'public') return
      if (fault) throw fault
      if (visit.actor && !roleMay(visit.actor.role, permission as Permission)) throw new PermissionDenied()
      if (visit.actor && (beforeEnrolment || !lacksFactor(visit.actor))) return
      const { pathname, search } = new URL(url)
      const next = method === 'GET' && pathname + search !== '/' ? `?next=${encodeURIComponent(pathname + search)}` : ''
      // as a document: no script of a page that was open before runs where passwords and codes are typed
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- Remix takes a thrown answer for a redirect
      throw redirectDocument(`${visit.actor ? '/account/security' : '/sign-in'}${next}`)
    },
    demandCsrf: () => demandCsrf(deps, request, visit.binding, form.get('csrf')),
    report: (error) => reportIfOurs(deps, toAppError(error), request.id),
  }
  return { context, cookies, headers: info.headers }
}

function read<T extends z.ZodType>(schema: T, given: unknown): z.output<T> {
  const input = schema.safeParse(given)
  if (!input.success) throw invalidFrom(input.error)
  return input.data
}
