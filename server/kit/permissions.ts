/** Roles map to named permissions; every procedure and raw route declares one (control A13). What is not listed is denied. */
const user = ['account.read', 'account.edit', 'account.secure', 'account.export', 'account.delete', 'session.read', 'session.end', 'catalogue.read', 'library.use', 'playback.start'] as const
const moderator = [...user, 'console.use', 'torrent.moderate', 'playback.preview', 'stream.moderate', 'user.ban'] as const
const admin = [...moderator, 'user.invite', 'api_key.manage', 'user.set_role', 'user.reset_factors', 'system.read'] as const

export type Role = 'user' | 'moderator' | 'admin'
export const roles = ['user', 'moderator', 'admin'] as const satisfies Role[]
export const scopes = ['ingest:write'] as const
export type Scope = (typeof scopes)[number]

/** `public` needs no sign-in; a scope needs an API key; `ticket` is checked by the route that reads the ticket. */
export type Permission = (typeof admin)[number] | Scope | 'public' | 'ticket'

const grants: Record<Role, ReadonlySet<string>> = { user: new Set(user), moderator: new Set(moderator), admin: new Set(admin) }

/** Is it one of those above? What a route declares is only as good as its spelling. */
export const isPermission = (value: unknown): value is Permission => value === 'public' || value === 'ticket' || ([...admin, ...scopes] as readonly unknown[]).includes(value)

export const isScope = (permission: Permission): permission is Scope => (scopes as readonly string[]).includes(permission)
export const isStaff = (role: Role): boolean => grants[role].has('console.use')
export const roleMay = (role: Role, permission: Permission): boolean => grants[role].has(permission)
