/** The verbs of `npm run keys`. The rules are in server/kit/key-rotation.ts; these read what was typed and show what was done. */
import { keyKinds, operatorDueAfterDays, type KeyKind } from '../../server/kit/key-kinds.ts'
import type { ListedKey } from '../../server/kit/key-rotation.ts'
import type { Ctx } from '../../server/kit/context.ts'
import { CommandFault, UsageError } from '../admin/faults.ts'

export type Answer = { json: unknown; text: string; warnings?: string[] }
type Work = (env: NodeJS.ProcessEnv) => Promise<Answer>
type Verb = {
  usage: string
  about: string
  /** Reads what stands after the verb, before anything is opened. @throws UsageError */
  prepare(words: string[]): Work
}

const kinds = [...(Object.keys(keyKinds) as KeyKind[]), 'operator'] as const

export const verbs: Record<string, Verb> = {
  list: {
    usage: '',
    about: 'Lists every key: kind, id, age, state. Warns of those that are due.',
    prepare: (words) => {
      exactly(words, [])
      return inDatabase(async (ctx, rules) => {
        const keys = await rules.listKeys(ctx)
        const warnings = keys.filter(({ overdue }) => overdue).map(({ kind, ageDays }) => `The ${kind} key is ${ageDays} days old and due after ${dueAfter(kind)}: npm run keys -- rotate ${kind}`)
        return { json: { keys: keys.map((key) => ({ ...key, createdAt: key.createdAt.toISOString() })), warnings }, text: keys.map(asLine).join('\n'), warnings }
      })
    },
  },

  rotate: {
    usage: `<${kinds.join('|')}>`,
    about: 'Makes a new key that takes over; what the old one made still counts. Nobody is signed out.',
    prepare: (words) => {
      const [given] = exactly(words, ['a kind'])
      const kind = kinds.find((one) => one === given)
      if (!kind) throw new UsageError(`There is no such kind; there are ${kinds.join(', ')}.`)
      return inDatabase(async (ctx, { rotateKey, rotateLookup, rotateOperatorSecret }) => {
        if (kind === 'operator') {
          const { previous } = await rotateOperatorSecret(ctx)
          const advice = 'Nodes that have a KEYS_DIR of their own need the new operator.key before they are started again, and to read keys made from now on.'
          return { json: { kind, previous }, text: `Every key is sealed under the new operator secret. The old one is ${previous}: keep it as long as you keep older backups of the database, apart from them, and delete it here.\n${advice}` }
        }
        const { id, takesOverAt } = await (kind === 'lookup' ? rotateLookup(ctx) : rotateKey(ctx, kind))
        return { json: { kind, id, takesOverAt: takesOverAt.toISOString() }, text: `Made the ${kind} key ${id}; it takes over at ${takesOverAt.toISOString()}.` }
      })
    },
  },

  retire: {
    usage: '<id>',
    about: 'Has a key make nothing more from now on; what it made still counts.',
    prepare: (words) => {
      const [id = ''] = exactly(words, ['an id'])
      return inDatabase(async (ctx, { retireKey }) => {
        const { retiredAt } = await retireKey(ctx, id)
        return { json: { id, retiredAt: retiredAt.toISOString() }, text: `The key ${id} has made nothing since ${retiredAt.toISOString()}.` }
      })
    },
  },

  drop: {
    usage: '<id>',
    about: 'Destroys a key: what it made is refused at once, on every node. For one that was stolen.',
    prepare: (words) => {
      const [id = ''] = exactly(words, ['an id'])
      return inDatabase(async (ctx, { dropKey }) => {
        const { replacedBy } = await dropKey(ctx, id)
        return { json: { id, replacedBy }, text: `The key ${id} is gone${replacedBy ? `; ${replacedBy} takes its place` : ''}.` }
      })
    },
  },

  'make-operator-secret': {
    usage: '',
    about: 'Makes KEYS_DIR/operator.key, which production wants before its first start. Never overwrites one. Needs no database.',
    prepare: (words) => {
      exactly(words, [])
      return async (env) => {
        const [{ readConfig, ConfigError }, { makeOperatorSecret, operatorFile }] = await Promise.all([import('../../server/config.ts'), import('../../server/kit/operator-secret.ts')])
        const { keysDir } = orFault(() => readConfig(env).config, ConfigError)
        const file = operatorFile(keysDir)
        if (!(await makeOperatorSecret(keysDir))) throw new CommandFault('exists', `${file} is there already; it was left as it is. To replace it: npm run keys -- rotate operator`)
        return { json: { file }, text: `Made ${file}. Keep a copy apart from the backups of the database: without it they cannot be read.` }
      }
    },
  },
}

export function usage(): string {
  const lines = Object.entries(verbs).flatMap(([name, { usage: words, about }]) => [`  ${name} ${words}`.trimEnd(), `      ${about}`])
  return ['Usage: npm run --silent keys -- <verb> [--json]', '', ...lines].join('\n')
}

type Rules = typeof import('../../server/kit/key-rotation.ts')

/** The server's modules take a second to load: not for what was mistyped. */
function inDatabase(work: (ctx: Ctx, rules: Rules) => Promise<Answer>): Work {
  return async (env) => {
    const [{ asOperator }, rules] = await Promise.all([import('../admin/operator.ts'), import('../../server/kit/key-rotation.ts')])
    return asOperator(env, (ctx) => work(ctx, rules))
  }
}

function exactly(words: string[], wanted: string[]): string[] {
  if (words.length < wanted.length) throw new UsageError(`${wanted[words.length]} is missing.`)
  if (words.length > wanted.length) throw new UsageError('There are too many words.')
  return words
}

function orFault<T>(step: () => T, Expected: new (faults: string[]) => Error): T {
  try {
    return step()
  } catch (error) {
    throw error instanceof Expected ? new CommandFault('settings', error.message) : error
  }
}

const dueAfter = (kind: ListedKey['kind']) => (kind === 'operator' ? operatorDueAfterDays : keyKinds[kind].dueAfterDays)
const asLine = ({ kind, id, createdAt, ageDays, state, overdue }: ListedKey) =>
  [kind.padEnd(15), id.padEnd(36), createdAt.toISOString().slice(0, 10), `${ageDays} days`.padStart(9), state, overdue ? '(due)' : ''].join('  ').trimEnd()
