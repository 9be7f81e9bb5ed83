/**
 * The bans of the house as ESLint rules, one name each, so that a planted violation can prove each of them.
 * Where each holds is said in eslint.config.js.
 */
import type { Rule } from 'eslint'

/** A rule that reports every node the selectors find (https://eslint.org/docs/latest/extend/selectors). */
function ban(message: string, ...selectors: string[]): Rule.RuleModule {
  return {
    meta: { type: 'problem', schema: [], messages: { banned: message } },
    create: (context) => Object.fromEntries(selectors.map((selector) => [selector, (node: Rule.Node) => context.report({ node, messageId: 'banned' })])),
  }
}

const member = (object: string, property: string) =>
  `MemberExpression[object.name=/^(${object})$/]:matches([property.name=/^(${property})$/], [property.value=/^(${property})$/])`
const imported = (source: string) => `ImportDeclaration:matches([source.value="${source}"], [source.value="node:${source}"])`
const named = (source: string, names: string) => `${imported(source)} > ImportSpecifier[imported.name=/^(${names})$/]`
/** An import under a name of the importer's choice, through which the rest could be reached. */
const whole = (source: string) => `${imported(source)} > :matches(ImportDefaultSpecifier, ImportNamespaceSpecifier)`

const random = 'randomUUID|randomUUIDv7|randomBytes|randomInt|randomFill|randomFillSync|getRandomValues|pseudoRandomBytes'
const testFunction = 'test|it|describe|suite|bench'
const wallClock = String.raw`/\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\(|\bcurrent_(date|time|timestamp)\b|\blocaltime/i`

const insideFunction = (node: Rule.Node | null): boolean =>
  node !== null && (/Function|StaticBlock|PropertyDefinition/.test(node.type) || insideFunction(node.parent))

/** A value made once per process cannot be given to a test, closed with the app, or exist twice. */
const noDatabaseSingleton: Rule.RuleModule = {
  meta: { type: 'problem', schema: [], messages: { banned: 'No database singleton: createDeps opens it, and what needs it takes it as an argument.' } },
  create: (context) => {
    const report = (node: Rule.Node) => {
      if (!insideFunction(node.parent)) context.report({ node, messageId: 'banned' })
    }
    return {
      'CallExpression[callee.name=/^(postgres|drizzle|connect)$/]': report,
      'NewExpression[callee.name=/^(Pool|Client)$/]': report,
    }
  },
}

/** ESLint suppresses what is reported inside a disabled range, so this reports in front of the line's first column. */
const disableNeedsReason: Rule.RuleModule = {
  meta: { type: 'problem', schema: [], messages: { reason: 'Say why: `eslint-disable-… rule -- reason`, and name the rule.' } },
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        const [, rules, reason] = /^\s*eslint-disable(?:-next-line|-line)?(?=\s|$)([\s\S]*?)(?:\s-{2,}\s([\s\S]*))?$/.exec(comment.value) ?? []
        if (rules === undefined || (rules.trim() && (reason ?? '').trim().length > 9)) continue
        const line = comment.loc?.start.line ?? 1
        context.report({ loc: { start: { line, column: -1 }, end: { line, column: 0 } }, messageId: 'reason' })
      }
    },
  }),
}

/** A skip is counted and listed with its reason at the end of a run: one without a reason is a hole nobody sees. */
const skipNeedsReason: Rule.RuleModule = {
  meta: { type: 'problem', schema: [], messages: { reason: 'A skipped test gives its reason as the last argument: `skip(condition, reason)`.' } },
  create: (context) => ({
    'CallExpression:matches([callee.name=skip], [callee.property.name=/^(skip|fixme)$/])'(node: Rule.Node) {
      if (node.type !== 'CallExpression') return
      const last = node.arguments.at(-1)
      const isReason = (last?.type === 'Literal' && typeof last.value === 'string') || last?.type === 'TemplateLiteral' || last?.type === 'Identifier'
      if (!isReason || node.arguments.some((argument) => /Function/.test(argument.type) && argument === last)) context.report({ node, messageId: 'reason' })
    },
    // their answers run or not without a word
    [`:matches(MemberExpression[object.name=/^(${testFunction})$/], MemberExpression[object.object.name=/^(${testFunction})$/])[property.name=/^(skipIf|runIf|todo|fails|fail)$/]`](node: Rule.Node) {
      context.report({ node, messageId: 'reason' })
    },
  }),
}

const drawer = /(^|[/.-])(utils?|helpers?|services?|managers?|common|misc|shared|stuff)([/.-]|$)/i
const noDrawer: Rule.RuleModule = {
  meta: { type: 'problem', schema: [], messages: { drawer: 'Name the file for a noun or verb of the domain: a drawer collects what has no place.' } },
  create: (context) => ({
    Program(node) {
      const path = context.filename.slice(context.cwd.length + 1)
      if (drawer.test(path)) context.report({ node, messageId: 'drawer' })
    },
  }),
}

export const house = {
  meta: { name: 'house', version: '1' },
  rules: {
    'environment-in-main-only': ban(
      'The environment is read in server/main.ts only; take the setting from config.',
      member('process', 'env|loadEnvFile'),
      'MemberExpression[object.property.name=process][property.name=env]',
      'VariableDeclarator[init.name=process] > ObjectPattern > Property[key.name=env]',
      named('process', 'env|loadEnvFile'),
      whole('process'),
    ),
    'clock-is-injected': ban(
      'The time comes from ctx.now(): a test must be able to set it.',
      'NewExpression[callee.name=Date][arguments.length=0]',
      'CallExpression[callee.name=Date]',
      member('Date', 'now'),
      'MemberExpression[object.object.name=Temporal][object.property.name=Now]',
    ),
    'sql-clock-is-bound': ban(
      'SQL compares with a bound now (ctx.now()), so that a test can move the clock and nodes agree.',
      `TaggedTemplateExpression[tag.name=/^(sql|tx)$/] TemplateElement[value.raw=${wallClock}]`,
      'CallExpression[callee.property.name=/^(defaultNow|defaultRandom)$/]',
    ),
    'randomness-is-injected': ban(
      'Randomness and ids come from ctx.newId() and ctx.randomBytes().',
      member('Math', 'random'),
      member('crypto|webcrypto|globalThis', random),
      `MemberExpression[object.property.name=crypto][property.name=/^(${random})$/]`,
      named('crypto', `${random}|webcrypto`),
      whole('crypto'),
    ),
    'trpc-error-in-kit-only': ban(
      'Throw an AppError of server/kit/errors.ts; kit alone turns it into a TRPCError.',
      'NewExpression[callee.name=TRPCError]',
      'NewExpression[callee.property.name=TRPCError]',
      'ClassDeclaration[superClass.name=TRPCError]',
    ),
    'no-database-singleton': noDatabaseSingleton,
    'contract-is-strict': ban(
      'A contract coerces nothing, accepts nothing it does not name, and holds to what Dart generators take: no coerce, any, unknown, record, union, loose object.',
      member('z', 'coerce|any|unknown|record|partialRecord|looseRecord|union|discriminatedUnion|xor|intersection|tuple|map|set|date|bigint|preprocess|looseObject|custom|stringbool'),
      'CallExpression[callee.property.name=/^(passthrough|loose|catchall|or|and)$/]',
    ),
    'sql-is-parameterised': ban(
      'SQL is written with the sql tag, which binds every value (control B2).',
      member('sql', 'raw'),
      'CallExpression[callee.property.name=unsafe]',
      'CallExpression[callee.property.name=/^(query|execute)$/] > TemplateLiteral.arguments[expressions.length>0]',
      'CallExpression[callee.property.name=/^(query|execute)$/] > BinaryExpression.arguments',
    ),
    'no-raw-html': ban(
      'Text is escaped wherever it is shown (control B3).',
      'JSXAttribute[name.name=dangerouslySetInnerHTML]',
      'Property[key.name=dangerouslySetInnerHTML]',
    ),
    'no-shell': ban(
      'No shell (control B2): spawn or execFile with a list of arguments.',
      named('child_process', 'exec|execSync'),
      whole('child_process'),
      'Property[key.name=shell]:not([value.value=false])',
    ),
    'no-only': ban('`.only` silences every other test.', `MemberExpression[object.name=/^(${testFunction})$/][property.name=only]`, `MemberExpression[object.object.name=/^(${testFunction})$/][property.name=only]`),
    'skip-needs-reason': skipNeedsReason,
    'no-sleep': ban(
      'A test waits for the condition (vi.waitFor, expect.poll, once), never for time.',
      'NewExpression[callee.name=Promise] CallExpression:matches([callee.name=setTimeout], [callee.property.name=setTimeout])',
      named('timers/promises', 'setTimeout|scheduler|setInterval'),
      whole('timers/promises'),
      'CallExpression[callee.name=promisify] > Identifier[name=setTimeout]',
      'CallExpression[callee.property.name=waitForTimeout]',
      member('Atomics', 'wait'),
    ),
    'disable-needs-reason': disableNeedsReason,
    'no-drawer': noDrawer,
  },
} satisfies { meta: object; rules: Record<string, Rule.RuleModule> }
