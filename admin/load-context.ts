import type { z } from 'zod'
import type { MfaChallenge, Role } from '../server/features/auth/contract.ts'
import type { PasskeyChallenge } from '../server/features/factors/contract.ts'
import type { AppRouter } from '../server/router.ts'

/** A problem document (RFC 9457): what a person is told when something did not work. `instance` is the request id. */
export type Problem = { title: string; status: number; detail: string; instance: string; code: string; errors?: { path: string; message: string }[]; methods?: string[] }

/** What a procedure did, or why it refused. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; problem: Problem }

/** Who may open a route; named in its `handle`. `beforeEnrolment`: also staff without a second factor yet. */
export type RouteHandle = { permission: string; hydrate?: boolean; beforeEnrolment?: true }

/** The procedures, called in process as the person who asked. */
export type Api = ReturnType<AppRouter['createCaller']>

declare module '@remix-run/server-runtime' {
  interface Future {
    v3_singleFetch: true
  }

  /** What the server hands to every loader and action (server/http/console-context.ts). */
  interface AppLoadContext {
    api: Api
    /** `lacksFactor`: of staff who have to add a second factor before anything else. `fresh`: proved who they are within minutes. */
    actor: { userId: string; role: z.infer<typeof Role>; lacksFactor: boolean; fresh: boolean } | null
    /** Goes into the hidden field `csrf` of every form. */
    csrfToken: string
    cspNonce: string
    /** Subresource integrity by path. */
    integrity: Record<string, string>
    requestId: string
    /** The moment of the request: what relative times are counted from. */
    now: Date
    session: {
      /** Signs a member of staff in; the answer sets the cookie. Where a second factor is to be proved first, says how. */
      signIn(credentials: { email: string; password: string }): Promise<z.infer<typeof MfaChallenge> | null>
      /** Ends that sign-in: challengeId, method, and code or assertion. */
      verify(proof: Record<string, string>): Promise<void>
      /** A sign-in by passkey alone. */
      beginPasskey(): Promise<z.infer<typeof PasskeyChallenge>>
      /** As beginPasskey, where nobody has asked for it yet: a view of the sign-in page takes nothing from what sign-ins have. */
      offerPasskey(): Promise<z.infer<typeof PasskeyChallenge>>
      /** challengeId and assertion. */
      finishPasskey(proof: Record<string, string>): Promise<void>
      signOut(): Promise<void>
      /** Drops the cookie of a session that has ended otherwise. */
      forget(): void
    }
    /** The form that was sent; empty for other requests. */
    form: URLSearchParams
    /** Runs what a person may be refused: refusals (4xx) come back to be shown in the form, faults go to the error page. */
    attempt<T>(work: () => Promise<T>): Promise<Outcome<T>>
    /** For the guard of routes: lets in who has the permission, sends others to sign in or away. */
    enter(permission: string, request: Request, options?: { beforeEnrolment?: boolean }): void
    demandCsrf(): void
    report(error: unknown): void
  }
}
