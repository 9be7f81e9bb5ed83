import fc from 'fast-check'
import { createTransport } from 'nodemailer'
import PostalMime from 'postal-mime'
import { expect, test } from 'vitest'
import { code, facts, letter, mailLocales, paragraph } from './mail-layout.ts'

const page = (text: string) => ({ subject: text, blocks: [paragraph(text), code(text), facts([text, text])] })
const both = (text: string) => ({ en: page(text), fr: page(text) })
const hostile = '</p><script>alert("1")</script><img src=x onerror=\'a()\'>&amp;'
const tagsIn = (html: string) => html.match(/<[^>]*>/g) ?? []

test('no value becomes markup: subject, paragraph, code, label or fact', () => {
  const { html } = letter('en', both(hostile))
  expect(tagsIn(html ?? '')).toEqual(tagsIn(letter('en', both('harmless')).html ?? ''))
  expect(html?.split('&lt;/p&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;amp;')).toHaveLength(7)
})

test('no value begins a header or a line', async () => {
  const { subject, text, html } = letter('en', both('Hello\r\nBcc: all@example.org\n.\u2028RSET'))
  expect(subject).toBe('Hello Bcc: all@example.org . RSET')
  expect(text).not.toMatch(/^(Bcc|\.|RSET)/m)
  const { message } = await createTransport({ streamTransport: true, buffer: true }).sendMail({ from: 'films@example.org', to: { name: '', address: 'ann@example.org' }, subject, text, html })
  const mail = await PostalMime.parse(message as Buffer)
  expect([mail.bcc, mail.to, mail.subject]).toEqual([undefined, [{ name: '', address: 'ann@example.org' }], subject])
})

test('whatever is written, the markup is that of the layout and the lines are its own', () => {
  const harmless = letter('fr', both('x'))
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const made = letter('fr', both(text))
      expect(tagsIn(made.html ?? '')).toEqual(tagsIn(harmless.html ?? ''))
      // eslint-disable-next-line no-control-regex -- what must not be there
      expect(made.subject).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
    }),
    { numRuns: 300 },
  )
})

test('the HTML says its language, and asks for nothing from elsewhere', () => {
  for (const locale of mailLocales) {
    const { html } = letter(locale, both('x'))
    expect(html).toContain(`<html lang="${locale}">`)
    expect(html).not.toMatch(/src=|href=|url\(|@import|http/)
  }
})

test('text is wrapped at blanks, a code stands alone', () => {
  const { text } = letter('en', { en: { subject: 's', blocks: [paragraph('word '.repeat(60).trim()), code('12345678')] }, fr: page('x') })
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(72)
  expect(text.replaceAll('\n', ' ')).toContain('word '.repeat(60).trim())
  expect(text).toMatch(/^ {4}12345678$/m)
})
