import { z } from 'zod'

/** Opaque public id. */
export const Id = z.uuid()

/** A moment as RFC 3339 in UTC. */
export const Time = z.iso.datetime()

/** How someone may prove who they are. */
export const SignInMethod = z.enum(['password', 'totp', 'recovery_code', 'passkey']).meta({ id: 'SignInMethod' })

/** One line of a person's text: no control characters, no marks that reverse the direction of what follows. */
// eslint-disable-next-line no-control-regex -- control characters are what this refuses
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/
// eslint-disable-next-line no-control-regex -- as above, but for line breaks and tabs
const unprintableInLines = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/

export const line = (max: number, min = 1) =>
  z
    .string()
    .min(min)
    .max(max)
    .refine((v) => !unprintable.test(v), 'must not contain control characters')

export const paragraphs = (max: number) =>
  z
    .string()
    .max(max)
    .refine((v) => !unprintableInLines.test(v), 'must not contain control characters')

/** A language as BCP 47 says it, as far as media do. */
export const LanguageTag = z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$/, 'must be a language tag such as en or pt-BR')

export const Bytes = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

/** What every list takes. */
export const paging = {
  limit: z.int().min(1).max(100).default(20),
  cursor: z.string().max(1_000).optional(),
}

/** What every list answers. */
export const page = <T extends z.ZodType>(item: T) => ({ items: z.array(item), nextCursor: z.string().nullable() })

export const Nothing = z.strictObject({})
