import { describe, expect, test } from 'vitest'
import { createReader, examplesIn, type Got, type Sent } from './page-examples.ts'

const block = (text: string) => `\`\`\`http\n${text}\n\`\`\``
const page = `# A page

${block('POST /flows\n\n{ "name": "Ada", "tags": ["a", "b"] }')}
Words, and a block that is none of them:
\`\`\`dart
POST /nothing
\`\`\`
${block('HTTP/1.1 202 Accepted\nRetry-After: {{a number}}\n\n{ "flowId": "{{new flow}}", "left": 3, "link": "https://host/{{new token}}/x", "at": "{{a time}}", "tags": ["{{some text}}", null] }')}

*2 minutes later, and*

*30 seconds later*

${block('GET /flows/{{flow}}\nAuthorization: Bearer {{the key of ada}}')}
${block('HTTP/1.1 200 OK\n\n{ "flowId": "{{flow}}", "id": "{{an id}}" }')}

${block('DELETE /flows/{{flow}}?token={{token}}')}
${block('HTTP/1.1 204 No Content')}
`
const answers: [status: number, body: unknown][] = [
  [202, { flowId: 'f1', left: 3, link: 'https://host/t1/x', at: '2026-11-21T10:00:00.000Z', tags: ['x', null] }],
  [200, { flowId: 'f1', id: '0198c0de-0000-7000-8000-000000000000' }],
  [204, undefined],
]

async function read(text: string, given = answers, headers: Record<string, string> = { 'retry-after': '5' }) {
  const log: (Sent | number)[] = []
  const left = given.map(([status, body]): Got => ({ status, body, headers: new Headers(headers) }))
  const run = createReader({
    send(sent) {
      log.push(sent)
      return Promise.resolve(left.shift() ?? expect.fail('one request too many'))
    },
    pass: (milliseconds) => void log.push(milliseconds),
    phrase: (words) => Promise.resolve(words.startsWith('the key of ') ? `k-${words.slice(11)}` : null),
  })
  const faults: string[] = []
  for (const example of examplesIn(text)) faults.push(...(await run(example)))
  return { log, faults }
}

describe('a page as it is answered', () => {
  test('is sent in its order, with what was remembered and what phrases stand for', async () => {
    expect(await read(page)).toEqual({
      faults: [],
      log: [
        { method: 'POST', path: '/flows', headers: {}, body: { name: 'Ada', tags: ['a', 'b'] } },
        150_000,
        { method: 'GET', path: '/flows/f1', headers: { authorization: 'Bearer k-ada' }, body: undefined },
        { method: 'DELETE', path: '/flows/f1?token=t1', headers: {}, body: undefined },
      ],
    })
  })
})

describe('a page that was altered is found out', () => {
  test.each([
    ['another status', '202 Accepted', '200 OK', 'line 4: POST /flows answers 202, not 200'],
    ['another value', '"left": 3', '"left": 4', 'the body.left is 3, not 4'],
    ['another type', '"left": 3', '"left": "3"', 'the body.left is 3, not "3"'],
    ['a field too many', '"left": 3', '"left": 3, "right": 4', 'the body has no right'],
    ['a field too few', '"left": 3, ', '', 'the body has left, of which the page says nothing'],
    ['a null that is a value', '"left": 3', '"left": null', 'the body.left is 3, not null'],
    ['a list too short', ', null] }', '] }', 'the body.tags has 1, of which the page says nothing'],
    ['a list too long', ', null] }', ', null, null] }', 'the body.tags has no 2'],
    ['a list for an object', '["{{some text}}", null]', '{ "0": "{{some text}}", "1": null }', 'the body.tags is ["x",null]'],
    ['text around what changes', 'https://host/', 'https://other/', 'the body.link is "https://host/t1/x"'],
    ['a text for an id', '"id": "{{an id}}"', '"id": "{{a time}}"', 'the body.id is'],
    ['a time for a number', '"at": "{{a time}}"', '"at": "{{a number}}"', 'the body.at is'],
    ['another text remembered', '"flowId": "{{flow}}"', '"flowId": "{{token}}"', 'the body.flowId is "f1"'],
    ['a header that is not sent', 'Retry-After: {{a number}}', 'Allow: {{some text}}', 'the header allow is undefined'],
    ['a body that is not sent', 'HTTP/1.1 204 No Content', 'HTTP/1.1 204 No Content\n\n{}', 'the body is undefined'],
    ['a body that is not shown', '\n\n{ "flowId": "{{flow}}", "id": "{{an id}}" }', '', 'the body is {'],
    ['a name that nothing has', '/flows/{{flow}}\n', '/flows/{{wolf}}\n', 'nothing is known by the name "wolf"'],
    ['a name that nothing has, in an answer', '"flowId": "{{flow}}"', '"flowId": "{{wolf}}"', 'nothing is known by the name "wolf"'],
  ])('%s', async (_what, from, to, fault) => {
    expect(page).toContain(from)
    const { faults } = await read(page.replace(from, to))
    expect(faults.join('\n')).toContain(fault)
    expect(faults[0]).toMatch(/^line \d+: /)
  })

  test.each([
    ['an answer without a request', page.replace(/```http\nPOST[^]+?```\n/, ''), 'no request is before it'],
    ['a request without an answer', page.replace(/```http\nHTTP\/1.1 202[^]+?```\n/, ''), 'the request before it has no answer'],
    ['a last request without an answer', page.replace(/```http\nHTTP\/1.1 204[^]+?```\n/, ''), 'it has no answer'],
    ['a status by another name', page.replace('202 Accepted', '202 Okay'), '202 is "Accepted"'],
    ['a body that is no JSON', page.replace('"left": 3', 'left: 3'), 'the body is no JSON'],
    ['a header that is none', page.replace('Retry-After: ', 'Retry-After '), 'is no header'],
    ['another thing in a block', page.replace('GET /flows', 'get /flows'), 'neither a request nor an answer'],
    ['a block that does not end', page.replace(/```\n$/, ''), 'the block has no end'],
  ])('%s', (_what, altered, fault) => {
    expect(altered).not.toBe(page)
    expect(() => examplesIn(altered)).toThrow(fault)
  })
})
