import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalEmail } from './email-addresses.ts'

describe('what is one address', () => {
  test.each([
    ['as it is', 'ann@example.org', 'ann@example.org'],
    ['capitals', 'Ann.Lee@EXAMPLE.Org', 'ann.lee@example.org'],
    ['a trailing dot of the domain', 'ann@example.org.', 'ann@example.org'],
    ['full-width letters', 'ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ', 'ann@example.org'],
    ['the Kelvin sign', '\u212Aim@example.org', 'kim@example.org'],
    ['a ligature', 'o\uFB03ce@example.org', 'office@example.org'],
    ['an ideographic full stop', 'ann@example\u3002org', 'ann@example.org'],
    ['an international domain', 'ann@Bücher.example', 'ann@xn--bcher-kva.example'],
    ['the same, decomposed', 'ann@bu\u0308cher.example', 'ann@xn--bcher-kva.example'],
    ['the same, in ASCII', 'ann@XN--BCHER-KVA.example', 'ann@xn--bcher-kva.example'],
    ['an international top level', 'ann@пример.рф', 'ann@xn--e1afmkfd.xn--p1ai'],
    ['a plus sign', 'ann+films@example.org', 'ann+films@example.org'],
    ['dots before the @', 'a.n.n@example.org', 'a.n.n@example.org'],
  ])('%s', (_what, given, expected) => {
    expect(canonicalEmail(given)).toBe(expected)
  })

  test('a look-alike in the domain is another address, and shows', () => {
    expect(canonicalEmail('ann@ex\u0430mple.org')).toBe('ann@xn--exmple-4nf.org')
  })
})

describe('what is none', () => {
  test.each([
    ['a Cyrillic а before the @', '\u0430nn@example.org'],
    ['a dotless ı', 'adm\u0131n@example.org'],
    ['a dotted İ, which lower case takes apart', 'adm\u0130n@example.org'],
    ['an accent', 'ánn@example.org'],
    ['a zero-width space', 'an\u200Bn@example.org'],
    ['a zero-width space in the domain', 'ann@exam\u200Bple.org'],
    ['a soft hyphen', 'ann@exam\u00ADple.org'],
    ['a mark that reverses the direction', 'ann\u202E@example.org'],
    ['a byte order mark', '\uFEFFann@example.org'],
    ['NUL', 'ann\0@example.org'],
    ['a line break', 'ann@example.org\r\nBcc: all@example.org'],
    ['a tab', 'ann\t@example.org'],
    ['a blank before', ' ann@example.org'],
    ['a no-break space', 'ann@example.org\u00A0'],
    ['half a character', 'ann\uD800@example.org'],
    ['two @', 'ann@evil.example@example.org'],
    ['no @', 'example.org'],
    ['nobody', '@example.org'],
    ['nowhere', 'ann@'],
    ['one label', 'ann@localhost'],
    ['an address literal', 'ann@[127.0.0.1]'],
    ['an address', 'ann@127.0.0.1'],
    ['an address in hexadecimal', 'ann@0x7f.1'],
    ['a dot at the end of the name', 'ann.@example.org'],
    ['a dot at its beginning', '.ann@example.org'],
    ['two dots', 'a..nn@example.org'],
    ['two dots at the end of the domain', 'ann@example.org..'],
    ['an empty label', 'ann@example..org'],
    ['a hyphen at the end of a label', 'ann@example-.org'],
    ['a quoted name', '"ann lee"@example.org'],
    ['a name with a comment', 'ann(lee)@example.org'],
    ['angle brackets', '<ann@example.org>'],
    ['two people', 'ann@example.org,bob@example.org'],
    ['an encoded letter', 'ann@ex%61mple.org'],
    ['a port', 'ann@example.org:25'],
    ['a path', 'ann@example.org/x'],
    ['punycode that decodes to nothing', 'ann@xn--\u0430.org'],
    ['a name of 65 letters', `${'a'.repeat(65)}@example.org`],
    ['a label of 64 letters', `ann@${'a'.repeat(64)}.org`],
    ['more than 254 letters', `ann@${'abcdefgh.'.repeat(28)}org`],
  ])('%s', (_what, given) => {
    expect(canonicalEmail(given)).toBeNull()
  })
})

test('the one spelling of it is its own, whatever is given', () => {
  fc.assert(
    fc.property(fc.oneof(fc.emailAddress(), fc.string({ unit: 'binary' }).map((text) => `${text}@example.org`), fc.string({ unit: 'grapheme' }).map((text) => `ann@${text}.org`)), (given) => {
      const one = canonicalEmail(given)
      if (one === null) return
      expect(one).toMatch(/^[\x21-\x7e]{3,254}$/)
      expect(canonicalEmail(one)).toBe(one)
      expect(canonicalEmail(one.toUpperCase())).toBe(one)
    }),
    { numRuns: 500 },
  )
})
