/** A torrent's names, made fit to be shown. They are never used on disk: files there are named by number. */

const maxPartBytes = 1024
const maxParts = 32
const maxPathLength = 1024

/**
 * Joins the parts of a path by `/`. Null when it would leave its folder or is no path: `.`, `..`, empty, absolute,
 * with `/`, `\` or NUL inside, too long or too deep (control D4).
 */
export function displayPath(parts: readonly Uint8Array[]): string | null {
  if (parts.length === 0 || parts.length > maxParts) return null
  const shown: string[] = []
  for (const part of parts) {
    if (part.length === 0 || part.length > maxPartBytes) return null
    const text = Buffer.from(part.buffer, part.byteOffset, part.length).toString('utf8')
    if (text === '.' || text === '..' || /[\0/\\]/.test(text)) return null
    shown.push(clean(text))
  }
  const path = shown.join('/')
  return path.length > maxPathLength ? null : path
}

/**
 * Control characters and line separators become a space (they break headers, logs and terminals); marks that reverse
 * or hide text go (they disguise an extension, as in `exe.4pm` shown as `mp4.exe`).
 */
function clean(text: string): string {
  if (/^[!-~][ -~]*[!-~]$/.test(text)) return text // plain ASCII, as most are: nothing of that is in it
  const visible = text.normalize('NFC').replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ').replaceAll(/[\p{Cf}\p{Co}\p{Cs}]/gu, '').trim()
  return visible === '' || visible === '.' || visible === '..' ? '_' : visible
}
