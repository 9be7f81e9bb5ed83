import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSealer, type SealPurpose } from './seal.ts'

const secret = randomBytes(32)
const sealer = createSealer(secret)

describe('sealing', () => {
  test('what was sealed opens to the same bytes, for any bytes and context', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.constantFrom<SealPurpose>('column', 'key', 'mail'), (plain, context, purpose) => {
        expect(Buffer.from(sealer.open(purpose, context, sealer.seal(purpose, context, plain)))).toEqual(Buffer.from(plain))
      }),
    )
    expect(sealer.openText('column', 'users/1', sealer.seal('column', 'users/1', 'zoë@example.org'))).toBe('zoë@example.org')
  })

  test('the same value never looks the same twice, and does not show through', () => {
    const [one, two] = [sealer.seal('column', 'a', 'plain value'), sealer.seal('column', 'a', 'plain value')]
    expect(Buffer.from(one)).not.toEqual(Buffer.from(two))
    expect(Buffer.from(one).includes('plain')).toBe(false)
  })

  test('a change of any single byte, or a cut, keeps it shut', () => {
    const sealed = sealer.seal('column', 'a', 'value')
    for (let at = 0; at < sealed.length; at += 1) {
      const altered = Uint8Array.from(sealed)
      altered[at] = (altered[at] ?? 0) ^ 1
      expect(() => sealer.open('column', 'a', altered), `byte ${at}`).toThrow()
    }
    for (let length = 0; length < sealed.length; length += 1) expect(() => sealer.open('column', 'a', sealed.subarray(0, length))).toThrow()
  })

  test.each<[string, () => unknown]>([
    ['another row', () => sealer.open('column', 'users/2', sealer.seal('column', 'users/1', 'x'))],
    ['another purpose', () => sealer.open('mail', 'users/1', sealer.seal('column', 'users/1', 'x'))],
    ['another operator secret', () => createSealer(randomBytes(32)).open('column', 'users/1', sealer.seal('column', 'users/1', 'x'))],
  ])('a value does not open for %s', (_what, open) => {
    expect(open).toThrow()
  })

  test('lookups are the same for the same value on every node, and differ by context, value and secret', () => {
    const lookup = (given: Uint8Array, context: string, value: string) => Buffer.from(createSealer(given).lookup(context, value)).toString('hex')
    const mine = lookup(secret, 'users.email', 'a@example.org')
    expect(lookup(secret, 'users.email', 'a@example.org')).toBe(mine)
    expect(lookup(secret, 'users.email', 'b@example.org')).not.toBe(mine)
    expect(lookup(secret, 'flows.email', 'a@example.org')).not.toBe(mine)
    expect(lookup(randomBytes(32), 'users.email', 'a@example.org')).not.toBe(mine)
  })
})
