import type { Tx } from '../../../db/client.ts'
import type { Ctx } from '../../kit/context.ts'
import { Invalid } from '../../kit/errors.ts'
import type { FactorMethod } from '../../kit/proofs.ts'
import { acceptAssertion } from './passkeys.ts'
import { useRecoveryCode } from './recovery-codes.ts'
import { acceptTotp } from './totp-factor.ts'

type Given = { method: FactorMethod; code?: string | undefined; assertion?: string | undefined }
export type FactorProof = { method: 'totp' | 'recovery_code'; code: string } | { method: 'passkey'; assertion: string }

/** What a method needs is there, and nothing else. @throws Invalid naming the field */
export function demandProof({ method, code, assertion }: Given): FactorProof {
  const [needed, other] = method === 'passkey' ? (['assertion', 'code'] as const) : (['code', 'assertion'] as const)
  const [value, extra] = method === 'passkey' ? [assertion, code] : [code, assertion]
  if (value === undefined) throw new Invalid([{ path: needed, message: `is what the method ${method} needs` }])
  if (extra !== undefined) throw new Invalid([{ path: other, message: `is not of the method ${method}` }])
  return method === 'passkey' ? { method, assertion: value } : { method, code: value }
}

type Of = { userId: string; webauthnChallenge: Uint8Array | null }

/** Is it this person's factor, proved now? What is good once is used up by it. */
export async function proveFactor(ctx: Ctx, tx: Tx, { userId, webauthnChallenge }: Of, proof: FactorProof): Promise<boolean> {
  switch (proof.method) {
    case 'totp':
      return acceptTotp(ctx, tx, { userId, code: proof.code })
    case 'recovery_code':
      return useRecoveryCode(ctx, tx, { userId, code: proof.code })
    case 'passkey': {
      const owner = webauthnChallenge && (await acceptAssertion(ctx, tx, { challenge: webauthnChallenge, assertion: proof.assertion }))
      return owner === userId
    }
  }
}
