const browsers: readonly (readonly [string, RegExp])[] = [
  ['Edge', /\bEdg(e|A|iOS)?\//],
  ['Opera', /\bOPR\//],
  ['Firefox', /\b(Firefox|FxiOS)\//],
  ['Chrome', /\b(Chrome|Chromium|CriOS)\//],
  ['Safari', /\bSafari\//],
]
const systems: readonly (readonly [string, RegExp])[] = [
  ['Android', /\bAndroid\b/],
  ['iOS', /\b(iPhone|iPad|iPod)\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Linux', /\bLinux\b/],
]

/** What people call the browser of a User-Agent header: "Firefox on Linux". Nothing of the header itself is in it. */
export function browserName(userAgent: string | undefined): string {
  const named = (list: typeof browsers) => list.find(([, form]) => form.test((userAgent ?? '').slice(0, 500)))?.[0]
  const system = named(systems)
  return `${named(browsers) ?? 'Browser'}${system ? ` on ${system}` : ''}`
}
