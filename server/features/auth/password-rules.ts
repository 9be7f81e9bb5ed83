import type { Deps } from '../../kit/context.ts'
import { Invalid } from '../../kit/errors.ts'
import { resembles } from '../../lib/resemblance.ts'

type Estimator = { check(password: string, related: string[]): { score: number; feedback: { warning?: string | null } } }
let lists: Promise<{ estimator: Estimator; common: ReadonlySet<string> }> | null = null

/** zxcvbn's lists are 2 MB: loaded when first needed, not at every start. */
async function load() {
  const [{ ZxcvbnFactory }, { dictionary, adjacencyGraphs }] = await Promise.all([import('@zxcvbn-ts/core'), import('@zxcvbn-ts/language-common')])
  return { estimator: new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs }), common: new Set(dictionary['passwords-common']) }
}

/** Whose password it will be. `field`: where it stood in the request. */
export type Whose = { email: string; name?: string | null | undefined; field?: string }

/**
 * Refuses passwords that a guesser would reach soon: little more than the person's own e-mail or name, common or known from
 * breaches, an estimate below 3 of 4; and with PASSWORD_STRICT those without mixed case and a symbol (control A5).
 * Nothing is trimmed or normalised. All reasons that apply are told, each with a code.
 * @throws Invalid naming the field.
 */
export async function demandStrongPassword({ config, breached }: Pick<Deps, 'config' | 'breached'>, password: string, { email, name, field = 'password' }: Whose): Promise<void> {
  const { estimator, common } = await loaded()
  const local = email.split('@')[0] ?? email
  const reasons: Reason[] = []
  if ([email, local, ...local.split(/[^\p{L}\p{N}]+/u)].some((part) => resembles(password, part))) reasons.push(['contains_email', 'must not be made of your e-mail address'])
  if ([name ?? '', ...(name ?? '').split(/\s+/)].some((part) => resembles(password, part))) reasons.push(['contains_name', 'must not be made of your name'])
  if (config.passwordStrict) reasons.push(...composition(password))
  if (common.has(password.toLowerCase())) reasons.push(['common', 'is too easy to guess: it is one of the most common passwords'])
  else if (await breached.has(password)) reasons.push(['breached', 'is known from a breach of another service'])
  if (reasons.length === 0) {
    const related = [email, ...email.split(/[^\p{L}\p{N}]+/u), ...(name ?? '').split(/\s+/)].filter((part) => part.length > 2)
    const { score, feedback } = estimator.check(password, related)
    if (score < 3) reasons.push(['too_guessable', feedback.warning ? `is too easy to guess (${feedback.warning})` : 'is too easy to guess'])
  }
  if (reasons.length > 0) throw new Invalid(reasons.map(([code, message]) => ({ path: field, code, message })))
}

type Reason = readonly [code: string, message: string]

/** The strict rule, for operators who must have it: mixed case and a symbol. Letters of scripts without case are of neither. */
function composition(password: string): Reason[] {
  return [
    ...(/\p{Ll}/u.test(password) && /\p{Lu}/u.test(password) ? [] : [['no_mixed_case', 'must have small and capital letters'] as const]),
    ...(/[^\p{L}\p{M}\p{N}\s]/u.test(password) ? [] : [['no_symbol', 'must have a symbol, such as ! or #'] as const]),
  ]
}

/** A failure to load is not kept. */
function loaded() {
  lists ??= load().catch((error: unknown) => {
    lists = null
    throw error
  })
  return lists
}
