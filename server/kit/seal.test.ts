import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createKeyedSealer, createSealer, firstKeyId, type Sealer, type SealPurpose } from './seal.ts'

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

describe('sealing with keys that are replaced', () => {
  const ids = ['6b0a4f5e-6c1e-4b8e-9d61-0f6f3c1c2a10', '0d5b8f0e-5a83-4c54-8f0f-2f1d8f7a9b21'] as const
  const held = new Map([...ids, firstKeyId].map((id): [string, Sealer] => [id, createSealer(randomBytes(32))]))
  const withCurrent = (id: string) => createKeyedSealer({ current: () => ({ id, sealer: held.get(id) ?? sealer }), opening: (wanted) => held.get(wanted) ?? null, lookup: () => sealer })
  const [old, fresh] = [withCurrent(ids[0]), withCurrent(ids[1])]

  test('a value names its key: what the old one sealed opens under the new, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.constantFrom<SealPurpose>('column', 'mail'), (plain, context, purpose) => {
        const sealed = old.seal(purpose, context, plain)
        expect(Buffer.from(sealed.subarray(0, 17)).toString('hex')).toBe(`02${ids[0].replaceAll('-', '')}`)
        expect(Buffer.from(fresh.open(purpose, context, sealed))).toEqual(Buffer.from(plain))
      }),
    )
  })

  test('values of version 1 open by the key that is kept for them', () => {
    const first = held.get(firstKeyId) ?? expect.unreachable()
    expect(fresh.openText('column', 'users/1', first.seal('column', 'users/1', 'a@example.org'))).toBe('a@example.org')
  })

  test('a change of any single byte, the id of the key among them, keeps it shut; so does a key that is gone', () => {
    const sealed = old.seal('column', 'a', 'value')
    for (let at = 0; at < sealed.length; at += 1) {
      const altered = Uint8Array.from(sealed)
      altered[at] = (altered[at] ?? 0) ^ 1
      expect(() => fresh.open('column', 'a', altered), `byte ${at}`).toThrow()
    }
    const renamed = Buffer.concat([Buffer.from(`02${ids[1].replaceAll('-', '')}`, 'hex'), sealed.subarray(17)])
    expect(() => fresh.open('column', 'a', renamed)).toThrow()
    const gone = createKeyedSealer({ current: () => ({ id: ids[1], sealer }), opening: () => null, lookup: () => sealer })
    expect(() => gone.open('column', 'a', sealed)).toThrow(ids[0])
  })
})
