/**
 * Presets for bugs and security, then the bans of the house (blocks named `house/…`: scripts/lint/bans.test.ts holds
 * a planted violation of every rule they switch on).
 */
import js from '@eslint/js'
import noUnsanitized from 'eslint-plugin-no-unsanitized'
import security from 'eslint-plugin-security'
import sonarjs from 'eslint-plugin-sonarjs'
import { defineConfig } from 'eslint/config'
import globals from 'globals'
import tseslint from 'typescript-eslint'
import { house } from './scripts/lint/house.ts'

const tests = ['**/*.test.{ts,tsx}', '**/*.spec.ts', 'e2e/**', 'server/test/**']
const configs = ['*.config.{js,ts}', '.*.cjs', 'admin/*.config.{js,ts}']
const typed = ['**/*.{ts,tsx}']
const everything = ['**/*.{ts,tsx,js,mjs,cjs}']

/** The sonarjs rules that the condition picks, switched off. */
const off = (condition) => Object.fromEntries(Object.keys(sonarjs.configs.recommended.rules).filter(condition).map((name) => [name, 'off']))

export default defineConfig(
  { name: 'not ours', ignores: ['**/node_modules/', 'build/', 'data/', '.cache/', 'test-results/', 'playwright-report/', 'admin/build/', '**/*.d.mts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' } },

  { files: everything, extends: [js.configs.recommended, sonarjs.configs.recommended, security.configs.recommended] },
  // what it guards is the page
  { files: ['admin/**'], extends: [noUnsanitized.configs.recommended] },
  { files: everything, languageOptions: { globals: { ...globals.node } } },
  {
    files: typed,
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
  },
  {
    name: 'presets, where they are only noise here',
    files: everything,
    rules: {
      // TypeScript (noUncheckedIndexedAccess) makes every such read `undefined` until checked; maps are used for foreign keys.
      'security/detect-object-injection': 'off',
      // Every path here is computed; names from torrents never become paths (control D4 has tests of its own).
      'security/detect-non-literal-fs-filename': 'off',
      // A heuristic that knows no regular expression's cost; sonarjs/slow-regex and super-linear-regex compute it.
      'security/detect-unsafe-regex': 'off',
      // Nothing here is hosted by a cloud's API.
      ...off((name) => name.startsWith('sonarjs/aws-')),
      // The order of code units is what bencode and stable output want; localeCompare would depend on the machine.
      'sonarjs/no-alphabetical-sort': 'off',
      'sonarjs/no-misleading-array-reverse': 'off',
      // Starting a child or a listener in a constructor is no promise lost: no-floating-promises sees those.
      'sonarjs/no-async-constructor': 'off',
      'sonarjs/cognitive-complexity': ['error', 25],
      'sonarjs/regex-complexity': ['error', { threshold: 25 }],
      // house/no-shell forbids the shell itself; spawning our own programs with a list of arguments is fine.
      'security/detect-child-process': 'off',
      'sonarjs/no-os-command-from-path': 'off',
      'sonarjs/os-command': 'off',
      // The bans below say the same more exactly.
      'sonarjs/pseudo-random': 'off',
      'sonarjs/no-skipped-tests': 'off',
      'sonarjs/explicit-test-skip': 'off',
      'sonarjs/no-exclusive-tests': 'off',
      'sonarjs/no-fixed-wait-in-tests': 'off',
      'sonarjs/todo-tag': 'off',
      'sonarjs/fixme-tag': 'off',
      // typescript-eslint and tsc know these with types.
      'sonarjs/no-unused-vars': 'off',
      'sonarjs/unused-import': 'off',
      'sonarjs/deprecation': 'off',
      'sonarjs/argument-type': 'off',
      // ESLint's own no-useless-assignment, in a tenth of the time.
      'sonarjs/no-dead-store': 'off',
      'sonarjs/no-redundant-assignments': 'off',
      'sonarjs/no-control-regex': 'off',
      // Matters of taste, not of bugs: short conditionals, templates and arrow functions inside each other read well when short.
      'sonarjs/no-nested-conditional': 'off',
      'sonarjs/misplaced-loop-counter': 'off',
      'sonarjs/no-nested-template-literals': 'off',
      'sonarjs/no-nested-functions': 'off',
      'sonarjs/void-use': 'off',
      'sonarjs/use-type-alias': 'off',
      'sonarjs/prefer-single-boolean-return': 'off',
      'sonarjs/no-nested-assignment': 'off',
      'sonarjs/no-parameter-reassignment': 'off',
      'sonarjs/no-small-switch': 'off',
      'sonarjs/concise-regex': 'off',
      'sonarjs/prefer-regexp-exec': 'off',
      'sonarjs/no-redundant-optional': 'off',
      'sonarjs/prefer-read-only-props': 'off',
      'sonarjs/function-return-type': 'off',
      // Plain HTTP, loopback addresses and example passwords are this system's subject; secretlint looks for real secrets.
      'sonarjs/no-clear-text-protocols': 'off',
      'sonarjs/no-hardcoded-ip': 'off',
      'sonarjs/no-hardcoded-passwords': 'off',
      'sonarjs/no-hardcoded-secrets': 'off',
      // SHA-1 is BitTorrent's (BEP 3) and TOTP's (RFC 6238).
      'sonarjs/hashing': 'off',
      'sonarjs/publicly-writable-directories': 'off',
    },
  },
  {
    name: 'presets in TypeScript, where they are only noise here',
    files: typed,
    rules: {
      // An async function without await turns a throw into a rejection, which is what its interface promises.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNullish: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // Objects of functions (deps, zod's contexts) are taken apart on purpose; only classes have a `this` here.
      '@typescript-eslint/unbound-method': 'off',
      // tsc knows better what exists.
      'no-undef': 'off',
    },
  },
  {
    name: 'tests, where presets are only noise',
    files: tests,
    rules: {
      'sonarjs/no-duplicate-string': 'off',
      'sonarjs/no-identical-functions': 'off',
      // Tables of cases, helpers that assert, and hostile patterns are what tests are made of.
      'sonarjs/assertions-in-tests': 'off',
      'sonarjs/assertions-in-test-cases': 'off',
      'sonarjs/parameterized-tests': 'off',
      'sonarjs/prefer-specific-assertions': 'off',
      'sonarjs/hooks-before-test-cases': 'off',
      'sonarjs/cognitive-complexity': 'off',
      'sonarjs/super-linear-regex': 'off',
      'sonarjs/slow-regex': 'off',
      // A test must try the old TLS that is to be refused.
      'sonarjs/weak-ssl': 'off',
      'security/detect-non-literal-regexp': 'off',
      // Answers are read as they come; the assertion is what checks them.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },

  {
    name: 'house/everywhere',
    files: everything,
    plugins: { house },
    rules: {
      eqeqeq: ['error', 'smart'],
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'], location: 'anywhere' }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'house/disable-needs-reason': 'error',
      'house/no-drawer': 'error',
      'house/no-raw-html': 'error',
      'house/no-shell': 'error',
      'security/detect-bidi-characters': 'error',
      'security/detect-possible-timing-attacks': 'error',
    },
  },
  {
    name: 'house/typed',
    files: typed,
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': ['error', { minimumDescriptionLength: 10 }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-non-null-assertion': 'error',
    },
  },
  // Remix: a loader throws the answer.
  { name: 'thrown answers', files: ['admin/**'], rules: { '@typescript-eslint/only-throw-error': ['error', { allow: [{ from: 'lib', name: 'Response' }, { from: 'package', package: '@remix-run/server-runtime', name: 'TypedResponse' }] }] } },
  { name: 'house/no environment', files: typed, ignores: ['server/main.ts', 'scripts/**', ...tests, ...configs], plugins: { house }, rules: { 'house/environment-in-main-only': 'error' } },
  {
    name: 'house/no clock, no randomness',
    files: ['server/**', 'admin/**', 'db/**'],
    ignores: ['server/kit/**', 'server/engine/**', ...tests, ...configs],
    plugins: { house },
    rules: { 'house/clock-is-injected': 'error', 'house/randomness-is-injected': 'error' },
  },
  // The launcher of the embedded Postgres and the maker of roles run before there is anything to inject.
  { name: 'set-up makes passwords', files: ['db/embedded/**', 'db/embedded.ts', 'db/roles.ts'], rules: { 'house/randomness-is-injected': 'off' } },
  { name: 'house/no clock in SQL', files: typed, ignores: ['scripts/**', ...tests], plugins: { house }, rules: { 'house/sql-clock-is-bound': 'error' } },
  { name: 'house/errors are made in kit', files: typed, ignores: ['server/kit/**', ...tests], plugins: { house }, rules: { 'house/trpc-error-in-kit-only': 'error' } },
  { name: 'house/no console', files: everything, ignores: ['scripts/**', ...tests, ...configs], rules: { 'no-console': 'error' } },
  { name: 'house/no singleton', files: typed, plugins: { house }, rules: { 'house/no-database-singleton': 'error' } },
  { name: 'house/contracts', files: ['server/features/*/contract.ts', 'server/kit/zod.ts'], plugins: { house }, rules: { 'house/contract-is-strict': 'error' } },
  {
    name: 'house/parameterised SQL',
    files: typed,
    // db makes roles and migrates (identifiers cannot be bound); the limiter's shim passes on the library's own text with its values.
    ignores: ['db/**', 'server/kit/limits.ts', ...tests],
    plugins: { house },
    rules: { 'house/sql-is-parameterised': 'error' },
  },
  { name: 'house/tests', files: tests, plugins: { house }, rules: { 'house/no-only': 'error', 'house/skip-needs-reason': 'error' } },
  { name: 'house/no sleep', files: ['**/*.test.{ts,tsx}', '**/*.spec.ts', 'e2e/**'], plugins: { house }, rules: { 'house/no-sleep': 'error' } },

  // Plain JavaScript (the bootstrap, this file) has no types to check by.
  { name: 'plain JavaScript', files: ['**/*.{js,mjs,cjs}'], extends: [tseslint.configs.disableTypeChecked] },
)
