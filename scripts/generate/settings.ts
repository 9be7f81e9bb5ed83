import { settings } from '../../server/config.ts'

/** docs/settings.md: every setting with its default and what it does, out of the schema that validates them. */
export function settingsPage(): string {
  const rows = Object.entries(settings).map(([name, setting]) => {
    const secret = 'secret' in setting ? ' **Secret.**' : ''
    return `| \`${name}\` | ${cell(setting.default)} | ${cell(setting.about)}${secret} |`
  })
  return [
    '# Settings',
    '',
    'Given in the environment; an empty value counts as absent. All faults are named at once when the service starts.',
    '*Production* means that `PUBLIC_URL` is not a loopback address. Do not edit: `npm run generate` makes this page from `server/config.ts`.',
    '',
    '| setting | default | what it does |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
