import * as argon2 from '@node-rs/argon2'
import { expect, test } from 'vitest'
import { Unavailable } from './errors.ts'
import { createPasswords, type Argon } from './passwords.ts'

/** Argon2 as it is, but counted. */
function counting() {
  const counts = { hashes: 0, verifies: 0, running: 0, most: 0 }
  const during = async <T>(work: Promise<T>): Promise<T> => {
    counts.running += 1
    counts.most = Math.max(counts.most, counts.running)
    return work.finally(() => (counts.running -= 1))
  }
  const argon: Argon = {
    hash: (...args) => ((counts.hashes += 1), during(argon2.hash(...args))),
    verify: (...args) => ((counts.verifies += 1), during(argon2.verify(...args))),
  }
  return { argon, counts }
}

test('a hash is Argon2id with the parameters of OWASP or more, and a salt of its own', async () => {
  const passwords = createPasswords()
  const [one, two] = await Promise.all([passwords.hash('correct horse'), passwords.hash('correct horse')])
  expect(one).not.toBe(two)
  const [, algorithm, , parameters] = one.split('$')
  expect(algorithm).toBe('argon2id')
  const { m, t, p } = Object.fromEntries((parameters ?? '').split(',').map((pair) => pair.split('='))) as Record<string, string>
  expect(Number(m)).toBeGreaterThanOrEqual(19_456)
  expect(Number(t)).toBeGreaterThanOrEqual(2)
  expect(Number(p)).toBe(1)
})

test('the right password matches, exactly as it was given', async () => {
  const passwords = createPasswords()
  const stored = await passwords.hash(' Pässword with spaces ')
  expect(await passwords.matches(stored, ' Pässword with spaces ')).toBe(true)
  for (const wrong of ['Pässword with spaces', ' pässword with spaces ', ' Pässword with spaces '.normalize('NFD'), '']) expect(await passwords.matches(stored, wrong), wrong).toBe(false)
})

test('without an account the same work is done, and the answer is no', async () => {
  const { argon, counts } = counting()
  const passwords = createPasswords({}, argon)
  const stored = await passwords.hash('correct horse')
  // the decoy is made once
  await passwords.matches(null, 'anything')
  const before = { ...counts }

  expect(await passwords.matches(stored, 'wrong')).toBe(false)
  const known = { hashes: counts.hashes - before.hashes, verifies: counts.verifies - before.verifies }
  const between = { ...counts }
  expect(await passwords.matches(null, 'wrong')).toBe(false)
  expect({ hashes: counts.hashes - between.hashes, verifies: counts.verifies - between.verifies }).toEqual(known)
  expect(known).toEqual({ hashes: 0, verifies: 1 })
})

test('not even the password of the decoy opens an absent account', async () => {
  expect(await createPasswords().matches(null, 'no account has this password')).toBe(false)
})

test('at most so many hashes run at once, the rest wait, and beyond that are refused', async () => {
  const { argon, counts } = counting()
  const passwords = createPasswords({ atOnce: 2, waiting: 3 }, argon)
  const results = await Promise.allSettled(Array.from({ length: 9 }, (_, i) => passwords.hash(`password ${i}`)))
  expect(counts.most).toBe(2)
  const refused = results.filter((result) => result.status === 'rejected')
  expect(refused).toHaveLength(4)
  for (const { reason } of refused) expect(reason).toBeInstanceOf(Unavailable)
  // the gate is open again
  expect(await passwords.matches(await passwords.hash('x'), 'x')).toBe(true)
})

test('the first strangers do not pass the gate either', async () => {
  const { argon, counts } = counting()
  const passwords = createPasswords({ atOnce: 1 }, argon)
  await Promise.all(Array.from({ length: 6 }, () => passwords.matches(null, 'x')))
  expect(counts).toMatchObject({ most: 1, hashes: 1 })
})

test('a hash that fails leaves its place to the next', async () => {
  const passwords = createPasswords({ atOnce: 1 })
  await expect(passwords.matches('not a hash', 'x')).rejects.toThrow()
  expect(await passwords.matches(await passwords.hash('x'), 'x')).toBe(true)
})
