import { and, eq, isNull } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { recoveryCodes } from '../../../db/schema/index.ts'
import type { Ctx, Deps } from '../../kit/context.ts'
import { sha256 } from '../../kit/secret-tokens.ts'

export const recoveryCodeCount = 10
/** Without letters and digits that look alike. */
const signs = 'abcdefghjkmnpqrstuvwxyz23456789'
const length = 16

type Making = Pick<Deps, 'now' | 'newId' | 'randomBytes'>

/** Ten new codes, shown this once; those made before end. */
export async function makeRecoveryCodes(ctx: Making, tx: Tx, userId: string): Promise<string[]> {
  await removeRecoveryCodes(ctx, tx, userId)
  const codes = Array.from({ length: recoveryCodeCount }, () => randomSigns(ctx.randomBytes))
  await tx.insert(recoveryCodes).values(codes.map((code) => ({ id: ctx.newId(), userId, codeHash: codeHash(userId, code), createdAt: ctx.now() })))
  return codes.map((code) => code.replaceAll(/(.{4})(?=.)/g, '$1-'))
}

export async function removeRecoveryCodes({ now }: Pick<Deps, 'now'>, tx: Tx, userId: string): Promise<void> {
  await tx
    .update(recoveryCodes)
    .set({ removedAt: now() })
    .where(and(eq(recoveryCodes.userId, userId), isNull(recoveryCodes.usedAt), isNull(recoveryCodes.removedAt)))
}

/** Uses a code up, however it was typed: of many at once, exactly one call is told so. */
export async function useRecoveryCode(ctx: Ctx, tx: Tx, { userId, code }: { userId: string; code: string }): Promise<boolean> {
  const typed = code.toLowerCase().replaceAll(/[\s-]/g, '')
  const [used] = await tx
    .update(recoveryCodes)
    .set({ usedAt: ctx.now() })
    .where(and(eq(recoveryCodes.userId, userId), eq(recoveryCodes.codeHash, codeHash(userId, typed)), isNull(recoveryCodes.usedAt), isNull(recoveryCodes.removedAt)))
    .returning({ id: recoveryCodes.id })
  if (used) await ctx.audit(tx, { action: 'recovery_code.use', target: { kind: 'user', id: userId } })
  return used !== undefined
}

/** One round of SHA-256 is enough: 16 of 31 signs are 79 bits, which no one tries out (a password would need Argon2id). */
const codeHash = (userId: string, code: string) => sha256(`recovery-code/${userId}/${code}`)

/** Uniform: bytes of 248 and more are passed over. */
function randomSigns(randomBytes: Deps['randomBytes']): string {
  let code = ''
  while (code.length < length) for (const byte of randomBytes(length)) if (byte < 8 * signs.length && code.length < length) code += signs.charAt(byte % signs.length)
  return code
}
