import type { Problem } from './load-context.ts'

export type Method = 'totp' | 'recovery_code' | 'passkey'
/** What a sign-in still asks for. It travels in the form: the server keeps no page's state. */
export type Asked = { challengeId: string; methods: Method[]; passkeyOptions: string | null }

const methods = ['totp', 'recovery_code', 'passkey'] as const
export const isMethod = (value: string | null): value is Method => methods.some((name) => name === value)

/** What the form brought back; null where it was no form of ours. */
export function readAsked(form: URLSearchParams): Asked | null {
  const challengeId = form.get('challengeId')
  const named = (form.get('methods') ?? '').split(' ').filter(isMethod)
  if (!challengeId || named.length === 0) return null
  return { challengeId, methods: named, passkeyOptions: form.get('passkeyOptions') }
}

const refusals: Record<Method, string> = {
  totp: 'That code is wrong, or was used already. Type the one that the app shows now.',
  recovery_code: 'That recovery code is wrong, or was used already.',
  passkey: 'That passkey is not known here. Try another one, or another way.',
}

/** A refusal in words for people who typed something; `null` for none that is about the proof. */
export const saidOfProof = ({ code, detail }: Problem, method: Method): string => (code === 'proof_invalid' || code === 'validation_failed' ? refusals[method] : detail)
