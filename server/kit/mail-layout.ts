import type { Letter } from './mail.ts'

export const mailLocales = ['en', 'fr'] as const
export type MailLocale = (typeof mailLocales)[number]

/** What a mail is made of. All of it is plain text, whoever wrote it: markup is the layout's alone (control B3). */
type Block = { kind: 'paragraph'; text: string } | { kind: 'code'; code: string } | { kind: 'facts'; facts: (readonly [label: string, value: string])[] }
export type Page = { subject: string; blocks: Block[] }

export const paragraph = (text: string): Block => ({ kind: 'paragraph', text })
/** Something to copy, on a line of its own. */
export const code = (text: string): Block => ({ kind: 'code', code: text })
export const facts = (...all: (readonly [label: string, value: string])[]): Block => ({ kind: 'facts', facts: all })

/** A mail in the reader's language, as text and as HTML. */
export function letter(locale: MailLocale, pages: Record<MailLocale, Page>): Letter {
  const { subject, blocks } = pages[locale]
  const title = oneLine(subject)
  const end = closing[locale]
  return {
    subject: title,
    text: `${[...blocks.map(asText), `-- \n${wrap(end)}`].join('\n\n')}\n`,
    html: frame(locale, title, blocks.map(asHtml).join('\n'), end),
  }
}

const closing: Record<MailLocale, string> = {
  en: 'This mail was sent by a machine that reads no answers.',
  fr: 'Ce message vient d’une machine qui ne lit pas les réponses.',
}

function asText(block: Block): string {
  if (block.kind === 'code') return `    ${oneLine(block.code)}`
  if (block.kind === 'facts') return block.facts.map(([label, value]) => `${oneLine(label)}: ${oneLine(value)}`).join('\n')
  return wrap(oneLine(block.text))
}

function asHtml(block: Block): string {
  if (block.kind === 'code') return `<p style="${styles.code}">${escapeHtml(oneLine(block.code))}</p>`
  if (block.kind === 'paragraph') return `<p style="${styles.paragraph}">${escapeHtml(oneLine(block.text))}</p>`
  const rows = block.facts.map(([label, value]) => `<tr><th style="${styles.label}">${escapeHtml(oneLine(label))}</th><td>${escapeHtml(oneLine(value))}</td></tr>`)
  return `<table role="presentation" style="${styles.facts}">${rows.join('')}</table>`
}

// Mail programs know inline styles only. No picture, no link, no font from elsewhere: nothing tells that the mail was opened.
const styles = {
  body: 'margin:0;padding:24px;background:#f4f4f5;color:#18181b;font:16px/1.5 system-ui,sans-serif',
  sheet: 'max-width:34em;margin:0 auto;padding:24px;background:#ffffff;border-radius:8px',
  title: 'margin:0 0 16px;font-size:20px;line-height:1.3',
  paragraph: 'margin:0 0 16px',
  code: 'margin:0 0 16px;padding:12px;background:#f4f4f5;border-radius:6px;font:600 28px/1.2 ui-monospace,monospace;letter-spacing:4px;text-align:center',
  facts: 'margin:0 0 16px;border-collapse:collapse',
  label: 'padding:0 16px 4px 0;text-align:left;font-weight:600;vertical-align:top',
  closing: 'margin:24px 0 0;color:#52525b;font-size:13px',
}

const frame = (locale: MailLocale, title: string, content: string, end: string): string => `<!doctype html>
<html lang="${locale}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title></head>
<body style="${styles.body}">
<div style="${styles.sheet}">
<h1 style="${styles.title}">${escapeHtml(title)}</h1>
${content}
<p style="${styles.closing}">${escapeHtml(end)}</p>
</div>
</body>
</html>
`

/** Line breaks and other control characters become blanks: a value can begin neither a header nor a line of its own. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? '')

/** At blanks, before column 73 where there is one: such lines no mail server has to break. */
function wrap(text: string): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < 72) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.join('\n')
}
