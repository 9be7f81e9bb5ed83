import { execFileSync } from 'node:child_process'
import { appendFile, chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ownContent } from './own-files.ts'

let home: string
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), 'own-files-'))))
afterEach(() => rm(home, { recursive: true, force: true }))

const read = async (source: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}

describe('what is to be published', () => {
  test('is a file under its own name', async () => {
    await writeFile(join(home, 'a film.mp4'), 'bytes')
    const { name, isFolder, files } = await ownContent(join(home, 'a film.mp4'))
    expect([name, isFolder, files.map(({ path, sizeBytes }) => [path, sizeBytes])]).toEqual(['a film.mp4', false, [[['a film.mp4'], 5]]])
    expect(await read(files[0]?.read() ?? expect.fail('no file'))).toBe('bytes')
  })

  test('or all files of a folder in the order of their names, the empty too, those beginning with a full stop not', async () => {
    await mkdir(join(home, 'set', 'b', '.git'), { recursive: true })
    await mkdir(join(home, 'set', 'nothing'))
    for (const [name, text] of [['c.txt', ''], ['b/x.mp4', 'x'], ['B.txt', 'B'], ['a.txt', 'a'], ['.DS_Store', 'y'], ['b/.git/config', 'z'], ['e\u0301te\u0301.txt', 'ete']]) await writeFile(join(home, 'set', name ?? ''), text ?? '')
    const { name, isFolder, files, leftOut } = await ownContent(join(home, 'set'))
    expect([name, isFolder, leftOut]).toEqual(['set', true, 2])
    expect(files.map(({ path }) => path.join('/'))).toEqual(['B.txt', 'a.txt', 'b/x.mp4', 'c.txt', 'été.txt'])
    expect(await Promise.all(files.map((file) => read(file.read())))).toEqual(['B', 'a', 'x', '', 'ete'])
  })

  test('may be named by a link, as whoever names it decides', async () => {
    await writeFile(join(home, 'real.txt'), 'real')
    await symlink(join(home, 'real.txt'), join(home, 'link'))
    expect(await ownContent(join(home, 'link'))).toMatchObject({ name: 'real.txt' })
  })
})

describe('is refused', () => {
  const folder = () => join(home, 'set')
  beforeEach(async () => {
    await mkdir(folder())
    await writeFile(join(folder(), 'fine.txt'), 'fine')
  })

  test.each<[string, () => Promise<unknown>, string]>([
    ['a link to a file', () => symlink('/etc/passwd', join(folder(), 'passwd.txt')), 'link'],
    ['a link to a folder', () => symlink('/etc', join(folder(), 'etc')), 'link'],
    ['a link to nowhere', () => symlink('nowhere', join(folder(), 'x')), 'link'],
    ['a link to itself', () => symlink('.', join(folder(), 'again')), 'link'],
    ['a pipe', async () => execFileSync('mkfifo', [join(folder(), 'pipe')]), 'not_a_file'],
    ['a name that hides its end', () => writeFile(join(folder(), 'film\u202e4pm.exe'), ''), 'bad_name'],
    ['a name with a line break', () => writeFile(join(folder(), 'a\nb'), ''), 'bad_name'],
    ['a name with a backslash', () => writeFile(join(folder(), '..\\..\\x'), ''), 'bad_name'],
    ['a name that is no text', () => writeFile(Buffer.concat([Buffer.from(`${folder()}/`), Buffer.from([0x66, 0xff])]), ''), 'bad_name'],
    ['two names that look the same', async () => { for (const name of ['\u00e9', 'e\u0301']) await writeFile(join(folder(), name), '') }, 'same_name'],
    ['folders without end', () => mkdir(join(folder(), ...Array.from({ length: 40 }, () => 'd')), { recursive: true }), 'too_deep'],
  ])('%s in a folder', async (_what, make, code) => {
    await make()
    await expect(ownContent(folder())).rejects.toMatchObject({ code, status: 422 })
  })

  test('a socket, a folder without files, nothing, and what the service may not read', async () => {
    const server = createServer().listen(join(home, 'socket'))
    try {
      await expect.poll(() => ownContent(join(home, 'socket')).catch((error: { code: string }) => error.code)).toBe('not_a_file')
    } finally {
      server.close()
    }
    await mkdir(join(home, 'empty', 'more'), { recursive: true })
    await expect(ownContent(join(home, 'empty'))).rejects.toMatchObject({ code: 'empty_folder' })
    await expect(ownContent(join(home, 'nothing'))).rejects.toMatchObject({ code: 'not_found' })
    await expect(ownContent('/dev/null')).rejects.toMatchObject({ code: 'not_a_file' })
  })

  test.each<[string, (path: string) => Promise<unknown>]>([
    ['grew', (path) => appendFile(path, 'more')],
    ['was written anew with as many bytes', async (path) => { await writeFile(path, 'FINE'); await utimes(path, new Date(), new Date(1_000)) }],
    ['gave way to another', async (path) => { await writeFile(`${path}.new`, 'fine'); await rename(`${path}.new`, path) }],
    ['gave way to a link', async (path) => { await rm(path); await symlink('/etc/passwd', path) }],
    ['gave way to a pipe', async (path) => { await rm(path); execFileSync('mkfifo', [path]) }],
    ['lies in a folder that became a link', async () => { await rename(folder(), join(home, 'moved')); await symlink(join(home, 'moved'), folder()) }],
    ['is gone', (path) => rm(path)],
  ])('a file that %s after it was looked at', async (_what, change) => {
    const { files } = await ownContent(folder())
    await change(join(folder(), 'fine.txt'))
    await expect(read(files[0]?.read() ?? expect.fail('no file'))).rejects.toMatchObject({ status: 422, code: expect.stringMatching(/^(file_changed|link|not_found)$/) })
  })

  test('a file that changes while it is read', async () => {
    await writeFile(join(folder(), 'fine.txt'), Buffer.alloc(3 * 1024 * 1024))
    const { files } = await ownContent(folder())
    const reading = async () => {
      for await (const chunk of files[0]?.read() ?? expect.fail('no file')) if (chunk.length > 0) await chmod(join(folder(), 'fine.txt'), 0o600).then(() => appendFile(join(folder(), 'fine.txt'), 'x'))
    }
    await expect(reading()).rejects.toMatchObject({ code: 'file_changed' })
  })
})
