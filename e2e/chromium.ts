/**
 * The browser of the tests: the Chromium that the npm package @sparticuz/chromium carries, unpacked once into .cache.
 * Its own flags are not used: they switch off the very rules (same origin, site isolation) that the journeys test.
 * CHROMIUM_PATH names another browser instead.
 */
import { constants } from 'node:fs'
import { access, chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'
import type { LaunchOptions } from '@playwright/test'

const packageFile = createRequire(import.meta.url).resolve('@sparticuz/chromium')
const packageFolder = packageFile.slice(0, packageFile.lastIndexOf(join('build', 'cjs')))
const cache = fileURLToPath(new URL('../.cache/', import.meta.url))

/** Unpacks the browser if need be (6 s, once) and says how Playwright starts it, as root or not, with any environment. */
export async function chromiumLaunchOptions(): Promise<LaunchOptions> {
  const own = process.env['CHROMIUM_PATH']
  if (own) {
    await access(own, constants.X_OK).catch(() => {
      throw new Error(`CHROMIUM_PATH names ${own}, which cannot be run.`)
    })
    return { executablePath: own, args }
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`The browser from npm runs on Linux x64 only; name another with CHROMIUM_PATH (this is ${process.platform} ${process.arch}).`)
  }
  const folder = await unpacked()
  const libraries = [join(folder, 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':')
  return {
    executablePath: join(folder, 'chromium'),
    args,
    env: { ...definedEnvironment(), HOME: join(folder, 'home'), LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: join(folder, 'fonts.conf') },
  }
}

// /dev/shm is 64 MB in most containers; hinting would make pictures depend on the machine; the network is loopback.
const args = ['--disable-dev-shm-usage', '--font-render-hinting=none', '--no-proxy-server', '--disable-domain-reliability', '--no-pings']

function definedEnvironment(): Record<string, string> {
  // The guards of vitest are for Node; a debugger's options are not for a browser.
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined || name === 'NODE_OPTIONS' ? [] : [[name, value]])))
}

/** The folder, made under a draft's name and moved into place whole: two runs at once, or a killed one, do no harm. */
async function unpacked(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as { version: string }
  const folder = join(cache, `chromium-${version}`)
  if (!(await exists(folder))) await unpackTo(folder)
  return folder
}

async function unpackTo(folder: string) {
  await removeAbandonedDrafts()
  const draft = join(cache, `chromium-draft-${process.pid}`)
  await mkdir(join(draft, 'home'), { recursive: true })
  await Promise.all([unpackProgram(join(draft, 'chromium')), unpackTar('al2023.tar.br', draft), unpackTar('fonts.tar.br', draft)])
  await writeFile(join(draft, 'fonts.conf'), fontsConfig(folder))
  await rename(draft, folder).catch(async (error: unknown) => {
    await rm(draft, { recursive: true, force: true })
    if (!(await exists(folder))) throw error
  })
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

async function removeAbandonedDrafts() {
  for (const name of await readdir(cache).catch(() => [])) {
    const pid = Number(/^chromium-draft-(\d+)$/.exec(name)?.[1])
    if (pid && !(await exists(`/proc/${pid}`))) await rm(join(cache, name), { recursive: true, force: true })
  }
}

const inflate = async (name: string) => promisify(brotliDecompress)(await readFile(join(packageFolder, 'bin', name)))

async function unpackProgram(path: string) {
  await writeFile(path, await inflate('chromium.br'))
  await chmod(path, 0o755)
}

/** Plain files of a ustar archive (POSIX.1-2017, pax "ustar Interchange Format"), which is all that these hold. */
async function unpackTar(name: string, into: string) {
  const tar = await inflate(name)
  const text = (start: number, length: number) => tar.toString('latin1', start, start + length).split('\0', 1)[0] ?? ''
  for (let at = 0; tar[at]; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const path = join(into, text(at, 100))
    if (!path.startsWith(`${into}/`)) throw new Error(`${name} holds ${path}`)
    const content = tar.subarray(at + 512, at + 512 + size)
    if (/^[0\0]?$/.test(text(at + 156, 1))) {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content)
    }
    at += 512 + Math.ceil(size / 512) * 512
  }
}

/** The package's own names folders of AWS Lambda. One family for everything: pictures are the same on every machine. */
function fontsConfig(folder: string) {
  const escaped = folder.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const aliases = ['sans-serif', 'serif', 'monospace', 'system-ui'].map((family) => `  <alias><family>${family}</family><prefer><family>Open Sans</family></prefer></alias>`)
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${escaped}/fonts</dir>
  <cachedir>${escaped}/font-cache</cachedir>
${aliases.join('\n')}
</fontconfig>
`
}
