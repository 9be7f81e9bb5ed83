import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

type Proof = { file: string; title: string }
type Control = { id: string; state: string; about: string; proofs: Proof[] }

const lasts = { A: 17, B: 13, C: 9, D: 7, E: 12, F: 6 }
const ids = Object.entries(lasts).flatMap(([letter, last]) => Array.from({ length: last }, (_, i) => `${letter}${i + 1}`))
/** Those that a later piece of work brings; the last kind has no number yet. */
const whoBringsIt = /^(issue \d+, \S.+|an issue not filed yet \(.+\))$/
const here = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const read = (path: string): string | null => (existsSync(here(path)) ? readFileSync(here(path), 'utf8') : null)

function controlsIn(page: string): Control[] {
  return page.split(/^### /m).slice(1).map((section) => {
    const [, id = ''] = /^([A-F]\d+) /.exec(section) ?? []
    const [, state = 'none', about = ''] = /^\*\*(\w+)\*\*(?:: (.+))?$/m.exec(section) ?? []
    const proofs = [...section.matchAll(/^- `([^`]+)`: (.+)$/gm)].map(([, file = '', title = '']) => ({ file, title }))
    return { id, state, about, proofs }
  })
}

/** The source of a test or a group of tests, up to the next one beside it; null where the file has none of that title. */
function sourceOf({ file, title }: Proof, open = read): string | null {
  const source = open(file)
  if (source === null || !/\.(test|spec)\.tsx?$/.test(file)) return null
  const quoted = ["'", '"', '`'].map((mark) => `${mark}${title.replaceAll(mark, `\\${mark}`)}${mark}`)
  // `test('title', …)`, or the end of a table: `])('title', …)`
  for (const line of source.matchAll(/^( *)(?:(?:test|it|describe)\b.*?|\](?: as const)?\))\((['"`].*)$/gm)) {
    if (!quoted.some((text) => line[2]?.startsWith(`${text},`) || line[0].includes(`(${text},`))) continue
    const rest = source.slice(line.index + line[0].length)
    const end = rest.search(new RegExp(`^ {0,${line[1]?.length ?? 0}}(test|it|describe)\\b`, 'm'))
    return line[0] + (end < 0 ? rest : rest.slice(0, end))
  }
  return null
}
const canBeSkipped = (proof: Proof, open = read): boolean => /\bskip\(|\.skip\b/.test(sourceOf(proof, open) ?? 'skip(') || proof.file.startsWith('scripts/peers/')

function faultsOf({ id, state, about, proofs }: Control, open = read): string[] {
  const missing = proofs.filter((proof) => sourceOf(proof, open) === null).map(({ file, title }) => `${id}: ${file} has no test "${title}"`)
  if (state === 'tested') return [...missing, ...(proofs.some((proof) => !canBeSkipped(proof, open)) ? [] : [`${id}: no test of it is sure to run`])]
  if (state === 'open') return [...missing, ...(whoBringsIt.test(about) ? [] : [`${id}: no issue brings it`])]
  if (state === 'client') return [...missing, ...(open('docs/flutter.md')?.includes(`\n## ${about}\n`) ? [] : [`${id}: docs/flutter.md has no chapter "${about}"`])]
  return [`${id}: "${state}" is no state`]
}

const controls = controlsIn(read('docs/controls.md') ?? '')

describe('docs/controls.md', () => {
  test('has a row for every control, once, in order', () => {
    expect(controls.map(({ id }) => id)).toEqual(ids)
  })

  test.each(controls.map((control) => [control.id, control] as const))('%s says how it stands, and what proves it is there', (_id, control) => {
    expect(faultsOf(control)).toEqual([])
  })
})

describe('the check finds', () => {
  const files: Record<string, string> = {
    'a.test.ts': "test('one', () => {})\ntest.each([1])('each %s', () => {})\ntest('maybe', ({ skip }) => {\n  skip(true, 'why')\n})\ndescribe('group', () => {\n  it('inner', () => {})\n})\n",
    'docs/flutter.md': '# Guide\n\n## Storage\n',
  }
  const open = (path: string) => files[path] ?? null
  const faults = (section: string) => controlsIn(`### A1 Name\nWords.\n\n${section}\n`).flatMap((control) => faultsOf(control, open))

  test.each([
    '**tested**\n\n- `a.test.ts`: one',
    '**tested**\n\n- `a.test.ts`: each %s',
    '**tested**\n\n- `a.test.ts`: group\n- `a.test.ts`: maybe',
    '**tested**\n\n- `a.test.ts`: inner',
    '**open**: issue 7, Some work',
    '**open**: an issue not filed yet (pins)',
    '**client**: Storage',
  ])('nothing in %j', (section) => {
    expect(faults(section)).toEqual([])
  })

  test.each([
    ['a test that is not there', '**tested**\n\n- `a.test.ts`: two', 'has no test "two"'],
    ['a title that is only mentioned', '**tested**\n\n- `a.test.ts`: why', 'has no test "why"'],
    ['a file that is not there', '**tested**\n\n- `b.test.ts`: one', 'b.test.ts has no test'],
    ['only a test that may be skipped', '**tested**\n\n- `a.test.ts`: maybe', 'no test of it is sure to run'],
    ['no test at all', '**tested**', 'no test of it is sure to run'],
    ['an open one that nobody brings', '**open**', 'no issue brings it'],
    ['an open one with a test that is gone', '**open**: issue 7, Some work\n\n- `a.test.ts`: two', 'has no test "two"'],
    ['a chapter that is not there', '**client**: Pinning', 'has no chapter "Pinning"'],
    ['another state', '**done**', '"done" is no state'],
    ['no state', 'Nothing.', '"none" is no state'],
  ])('%s', (_what, section, message) => {
    expect(faults(section).join('\n')).toContain(message)
  })
})
