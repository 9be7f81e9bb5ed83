import type { ServerBuild } from '@remix-run/server-runtime'
import { describe, expect, test } from 'vitest'
import { PermissionDenied } from '../kit/errors.ts'
import { guardRoutes, routePermissions } from './console-routes.ts'
import { loadConsoleBuild } from './console.ts'

const build = (module: Record<string, unknown>) => ({ routes: { 'routes/planted': { id: 'routes/planted', path: 'planted', module } } }) as unknown as ServerBuild
const loader = () => null
const component = () => null

describe('default deny (control A13)', () => {
  test.each([
    ['no handle', { default: component, loader }],
    ['a handle without a permission', { default: component, loader, handle: { hydrate: false } }],
    ['an empty permission', { default: component, loader, handle: { permission: '' } }],
    ['a permission that is no name', { default: component, loader, handle: { permission: true } }],
  ])('a route with %s stops the start', (_what, module) => {
    expect(() => guardRoutes(build(module))).toThrow("The console's route routes/planted declares no permission.")
  })

  test('so does one whose permission nothing would check', () => {
    expect(() => guardRoutes(build({ default: component, handle: { permission: 'console.use' } }))).toThrow('needs a loader')
    expect(() => guardRoutes(build({ default: component, handle: { permission: 'public' } }))).not.toThrow()
  })

  test('neither loader nor action runs before the guard has let in', async () => {
    const ran: string[] = []
    const guarded = guardRoutes(build({ handle: { permission: 'torrent.moderate' }, loader: () => ran.push('loader'), action: () => ran.push('action') }))
    const { module } = guarded.routes['routes/planted'] as unknown as { module: Record<'loader' | 'action', (args: unknown) => Promise<unknown>> }
    const asked: unknown[] = []
    const refuse = (permission: string) => {
      asked.push(permission)
      throw new PermissionDenied()
    }
    const pass = () => undefined
    const context = { report: pass, requestId: 'r', enter: pass, demandCsrf: pass }
    const refusal = { init: { status: 403 }, data: { code: 'permission_denied', instance: 'r' } }
    for (const door of ['loader', 'action'] as const) await expect(module[door]({ context: { ...context, enter: refuse } })).rejects.toMatchObject(refusal)
    await expect(module.action({ context: { ...context, demandCsrf: () => refuse('csrf') } })).rejects.toMatchObject(refusal)
    expect(asked).toEqual(['torrent.moderate', 'torrent.moderate', 'csrf'])
    expect(ran).toEqual([])
  })
})

test('every route of the console, and who may open it: a new one needs a row here', async () => {
  expect(Object.fromEntries(routePermissions(await loadConsoleBuild()))).toEqual({
    root: 'public',
    'routes/$': 'public',
    'routes/_console': 'console.use',
    'routes/_console._index': 'torrent.moderate',
    'routes/_console.account': 'account.read',
    'routes/_console.account._index': 'account.edit',
    'routes/_console.account.data': 'account.export',
    'routes/_console.account.email': 'account.secure',
    'routes/_console.account.password': 'account.secure',
    'routes/_console.account.security': 'account.secure',
    'routes/_console.account.security_.authenticator': 'account.secure',
    'routes/_console.account.security_.passkey': 'account.secure',
    'routes/_console.account.security_.recovery-codes': 'account.secure',
    'routes/_console.account.sessions': 'session.read',
    'routes/_console.account_.step-up': 'account.secure',
    'routes/_console.titles.$id': 'torrent.moderate',
    'routes/_console.titles._index': 'torrent.moderate',
    'routes/forgot-password': 'public',
    'routes/reset-password': 'public',
    'routes/set-up.$token': 'public',
    'routes/sign-in': 'public',
    'routes/sign-in_.passkey': 'public',
    'routes/sign-in_.passkey_.offer': 'public',
    'routes/sign-in_.second-factor': 'public',
    'routes/sign-out': 'session.end',
  })
})
