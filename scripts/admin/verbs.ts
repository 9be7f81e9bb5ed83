/**
 * The verbs of `npm run admin`: what each takes, does and answers. The rules are the features'; these only read and show.
 * Features are imported where they are used, because loading them takes longer than saying that an option is missing.
 */
import { randomInt } from 'node:crypto'
import { z } from 'zod'
import { Email, Role } from '../../server/features/auth/contract.ts'
import { NewInvite } from '../../server/features/invites/contract.ts'
import type { ListedApiKey } from '../../server/features/api-keys/api-keys.ts'
import type { ListedUser } from '../../server/features/users/list-users.ts'
import { scopes } from '../../server/kit/permissions.ts'
import { line } from '../../server/kit/zod.ts'
import { readExpiry } from './expiry.ts'
import { UsageError } from './faults.ts'
import { publishingVerbs } from './publishing-verbs.ts'
import { flag, read, text, type Input, type Verb } from './verb.ts'

export const verbs: Record<string, Verb> = {
  'setup-link': {
    usage: '',
    about: 'Makes a single-use link that creates the first admin in the console.',
    options: {},
    prepare: () => async (ctx) => {
      const { makeSetupLink } = await import('../../server/features/auth/set-up.ts')
      const { url, expiresAt } = await makeSetupLink(ctx)
      return { json: { url, expiresAt: expiresAt.toISOString() }, text: `Open within the hour, once:\n${url}` }
    },
  },

  'create-user': {
    usage: '--email <address> --role <user|moderator|admin> [--name <name>] [--password-stdin]',
    about: 'Makes an account. Without --password-stdin it makes a password and shows it once.',
    options: { email: text, role: text, name: text, 'password-stdin': flag },
    prepare({ values, password: given }) {
      const email = read(Email, 'email', values)
      const role = read(Role, 'role', values)
      const name = read(line(80).optional(), 'name', values)
      return async (ctx) => {
        const [{ createUser }, { maskEmail }] = await Promise.all([import('../../server/features/auth/create-user.ts'), import('../../server/features/users/users.ts')])
        const password = given ?? makePassword()
        const { userId } = await createUser(ctx, { email, password, name, role })
        const made = given === null ? { password } : {}
        const shown = given === null ? `\nPassword, shown this once: ${password}` : ''
        return { json: { userId, email: maskEmail(email), role, ...made }, text: `Made the ${role} ${maskEmail(email)} (${userId}).${shown}` }
      }
    },
  },

  'set-role': {
    usage: '--email <address> --role <user|moderator|admin>',
    about: "Gives a person another role and ends the person's sessions.",
    options: { email: text, role: text },
    prepare({ values }) {
      const email = read(Email, 'email', values)
      const role = read(Role, 'role', values)
      return async (ctx) => {
        const [{ setRole }, { maskEmail }] = await Promise.all([import('../../server/features/users/set-role.ts'), import('../../server/features/users/users.ts')])
        const { userId, was, endedSessions } = await setRole(ctx, { email, role })
        const done = was === role ? `is ${role} already; nothing was changed` : `was ${was} and is ${role} now; sessions ended: ${endedSessions}`
        return { json: { userId, email: maskEmail(email), was, role, changed: was !== role, endedSessions }, text: `${maskEmail(email)} (${userId}) ${done}.` }
      }
    },
  },

  invite: {
    usage: '--by <address of an admin> [--days <1 to 90>]',
    about: 'Makes a single-use invite in the name of an admin and shows its code once; without --days it is good for 7.',
    options: { by: text, days: text },
    prepare({ values }) {
      const email = read(Email, 'by', values)
      const days = readDays(values)
      return async (ctx) => {
        const { createInviteFor } = await import('../../server/features/invites/invites.ts')
        const { id, code, expiresAt } = await createInviteFor(ctx, { email, days })
        return { json: { id, code, expiresAt }, text: `Made the invite ${id}, good until ${expiresAt}.\nCode, shown this once: ${code}` }
      }
    },
  },

  'reset-mfa': {
    usage: '--email <address>',
    about: "Takes every second factor from a person who lost theirs, and ends the person's sessions. Staff add a new one at their next sign-in.",
    options: { email: text },
    prepare({ values }) {
      const email = read(Email, 'email', values)
      return async (ctx) => {
        const [{ resetFactorsByEmail }, { maskEmail }] = await Promise.all([import('../../server/features/factors/reset.ts'), import('../../server/features/users/users.ts')])
        const { userId, endedSessions } = await resetFactorsByEmail(ctx, { email })
        return { json: { userId, email: maskEmail(email), endedSessions }, text: `${maskEmail(email)} (${userId}) has no second factor now; sessions ended: ${endedSessions}.` }
      }
    },
  },

  'create-api-key': {
    usage: `--name <name> --scope <${scopes.join('|')}> --expires <days or date> [--trusted]`,
    about: 'Makes a key for a machine and shows it once. Titles that come with a trusted key need no approval.',
    options: { name: text, scope: { ...text, multiple: true }, expires: text, trusted: flag },
    prepare({ values, now }) {
      const name = read(line(80), 'name', values)
      const scope = read(z.array(z.enum(scopes)).min(1), 'scope', values)
      const expiresAt = readExpiry(read(z.string(), 'expires', values), now)
      const trusted = values['trusted'] === true
      return async (ctx) => {
        const { createApiKey } = await import('../../server/features/api-keys/api-keys.ts')
        const { id, key } = await createApiKey(ctx, { name, scopes: [...new Set(scope)], expiresAt, trusted })
        return { json: { id, key, name, scopes: scope, trusted, expiresAt: expiresAt.toISOString() }, text: `Made the key ${id}, good until ${expiresAt.toISOString()}.\nKey, shown this once: ${key}` }
      }
    },
  },

  'list-api-keys': {
    usage: '',
    about: 'Lists the keys of machines, those that ended too: id, name, scopes, dates. No key is shown.',
    options: {},
    prepare: () => async (ctx) => {
      const { listApiKeys } = await import('../../server/features/api-keys/api-keys.ts')
      const keys = await listApiKeys(ctx)
      const now = ctx.now()
      return { json: { keys }, text: keys.length === 0 ? 'There are no API keys.' : keys.map((key) => keyAsLine(key, now)).join('\n') }
    },
  },

  'revoke-api-key': {
    usage: '--id <id>',
    about: 'Ends the key of a machine: its next request is refused. The id is in list-api-keys.',
    options: { id: text },
    prepare({ values }) {
      const id = read(z.uuid(), 'id', values)
      return async (ctx) => {
        const { revokeApiKey } = await import('../../server/features/api-keys/api-keys.ts')
        const { name, revokedAt, changed } = await revokeApiKey(ctx, id)
        const done = changed ? 'is revoked' : `was revoked already, at ${revokedAt.toISOString()}; nothing was changed`
        return { json: { id, name, revokedAt, changed }, text: `The key ${name} (${id}) ${done}.` }
      }
    },
  },

  'list-users': {
    usage: '[--role <user|moderator|admin>]',
    about: 'Lists accounts, e-mail addresses masked.',
    options: { role: text },
    prepare({ values }) {
      const role = read(Role.optional(), 'role', values)
      return async (ctx) => {
        const { listUsers } = await import('../../server/features/users/list-users.ts')
        const users: ListedUser[] = []
        for await (const user of listUsers(ctx, { role })) users.push(user)
        users.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
        return { json: { users }, text: users.length === 0 ? 'There are no accounts.' : users.map(asLine).join('\n') }
      }
    },
  },

  ...publishingVerbs,
}

const asLine = ({ id, email, role, createdAt, banned }: ListedUser) => [id, role.padEnd(9), createdAt.slice(0, 10), email, banned ? '(banned)' : ''].join('  ').trimEnd()

const keyAsLine = ({ id, name, scopes, trusted, createdAt, expiresAt, lastUsedAt, revokedAt }: ListedApiKey, now: Date) => {
  const day = (moment: Date) => moment.toISOString().slice(0, 10)
  const state = revokedAt ? `revoked ${day(revokedAt)}` : `${expiresAt > now ? 'expires' : 'expired'} ${day(expiresAt)}`
  return [id, `made ${day(createdAt)}`, state, lastUsedAt ? `used ${day(lastUsedAt)}` : 'never used', scopes.join(','), trusted ? 'trusted' : 'untrusted', name].join('  ')
}

function readDays({ days = '7' }: Input['values']): number {
  const result = NewInvite.shape.days.safeParse(typeof days === 'string' && /^\d{1,3}$/.test(days) ? Number(days) : days)
  if (!result.success) throw new UsageError('--days must be a whole number from 1 to 90.')
  return result.data
}

/** Without letters and digits that look alike; 24 of 31 signs are 118 bits. */
const signs = 'abcdefghjkmnpqrstuvwxyz23456789'
function makePassword(): string {
  const group = () => Array.from({ length: 6 }, () => signs[randomInt(signs.length)]).join('')
  return [group(), group(), group(), group()].join('-')
}
