import { Invalid } from '../../kit/errors.ts'

type Estimator = { check(password: string, related: string[]): { score: number; feedback: { warning?: string | null } } }
let estimator: Promise<Estimator> | null = null

/** zxcvbn's lists are 2 MB: loaded when first needed, not at every start. */
async function load(): Promise<Estimator> {
  const [{ ZxcvbnFactory }, common] = await Promise.all([import('@zxcvbn-ts/core'), import('@zxcvbn-ts/language-common')])
  return new ZxcvbnFactory({ dictionary: common.dictionary, graphs: common.adjacencyGraphs })
}

/**
 * Refuses passwords that a guesser would reach soon: an estimate below 3 of 4, which covers the common ones,
 * or one made of the person's own e-mail or name (control A5).
 * @param field what the request calls it
 * @throws Invalid naming the field.
 */
export async function demandStrongPassword(password: string, { email, name }: { email: string; name?: string | undefined }, field = 'password'): Promise<void> {
  const weak = (message: string) => new Invalid([{ path: field, message }])
  const related = [email, ...email.split(/[^\p{L}\p{N}]+/u), ...(name ?? '').split(/\s+/)].filter((part) => part.length > 2)
  const local = email.split('@')[0] ?? email
  if (local.length > 3 && password.toLowerCase().includes(local.toLowerCase())) throw weak('must not contain your e-mail address')
  const { score, feedback } = (await (estimator ??= load())).check(password, related)
  if (score < 3) throw weak(feedback.warning ? `is too easy to guess (${feedback.warning})` : 'is too easy to guess')
}
