import { constants, lstat, open, readdir, readlink, realpath, type FileHandle } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { OwnFile } from '../../engine/publish-files.ts'
import { AppError } from '../../kit/errors.ts'
import { displayPath } from '../../lib/torrent-names.ts'
import { torrentLimits } from '../../lib/torrent.ts'

/** What is found at a path of the operator's: a file, or all plain files of a folder, in the order of their names. */
export interface OwnContent {
  readonly name: string
  readonly isFolder: boolean
  readonly files: readonly OwnFile[]
  /** Names that begin with a full stop: keys, indexes and drafts that nobody means to publish. */
  readonly leftOut: number
}

type Stat = Awaited<ReturnType<typeof statOf>>

/** A folder in a folder in a folder: what a torrent's reader takes. */
const mostDeep = 32
const chunkBytes = 1024 * 1024

/**
 * Looks at what is to be published, without reading it. The path itself may lead through links, as the operator named it; below it
 * nothing is followed: links, devices, pipes and sockets are refused, as is a name that viewers or other systems could not take.
 * @throws Unpublishable
 */
export async function ownContent(path: string): Promise<OwnContent> {
  const root = await realpath(path).catch(unreadable(path))
  const stat = await statOf(root).catch(unreadable(path))
  const name = nameOf(Buffer.from(basename(root)), root)
  if (stat.isFile()) return { name, isFolder: false, files: [fileOf(root, [name], stat)], leftOut: 0 }
  if (!stat.isDirectory()) throw refused('not_a_file', `${shown(path)} is neither a file nor a folder.`)
  const found = { files: [] as OwnFile[], leftOut: 0 }
  await collect(root, [], found)
  if (found.files.length === 0) throw refused('empty_folder', `${shown(path)} holds no files.`)
  return { name, isFolder: true, ...found }
}

async function collect(folder: string, parts: readonly string[], found: { files: OwnFile[]; leftOut: number }): Promise<void> {
  if (parts.length >= mostDeep) throw refused('too_deep', `${shown(folder)} lies more than ${mostDeep} folders deep.`)
  const entries = await readdir(folder, { encoding: 'buffer' }).catch(unreadable(folder))
  const names = entries.map((bytes) => nameOf(bytes, folder)).sort()
  if (new Set(names).size < names.length) throw refused('same_name', `${shown(folder)} has two names that differ in nothing that is seen.`)
  for (const [at, name] of names.entries()) {
    if (name.startsWith('.')) {
      found.leftOut += 1
      continue
    }
    // names on disk may be written otherwise than they are published (NFC)
    const onDisk = entries.find((bytes) => bytes.toString().normalize('NFC') === name)?.toString() ?? names[at] ?? name
    const path = join(folder, onDisk)
    const stat = await statOf(path).catch(unreadable(path))
    if (stat.isSymbolicLink()) throw refused('link', `${shown(path)} is a link: what it leads to may be anything.`)
    if (stat.isDirectory()) await collect(path, [...parts, name], found)
    else if (stat.isFile()) found.files.push(fileOf(path, [...parts, name], stat))
    else throw refused('not_a_file', `${shown(path)} is no plain file.`)
    if (found.files.length > torrentLimits.files) throw refused('too_many_files', `There are more than ${torrentLimits.files} files.`)
  }
}

function fileOf(path: string, parts: readonly string[], seen: Stat): OwnFile {
  return {
    path: parts,
    sizeBytes: Number(seen.size),
    async *read() {
      // a pipe in its place would be waited for, a link in its place would be followed
      await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unreadable(path))
      await demandSame(file, path, seen)
      const buffer = Buffer.allocUnsafe(chunkBytes)
      for (let at = 0; ;) {
        const { bytesRead } = await file.read(buffer, 0, chunkBytes, at).catch(unreadable(path))
        if (bytesRead === 0) break
        at += bytesRead
        if (at > seen.size) await demandSame(file, path, seen) // or one that grows as it is read would be read for ever
        yield buffer.subarray(0, bytesRead)
      }
      await demandSame(file, path, seen)
    },
  }
}

/** It is the very file that was looked at, unchanged, and lies where it was: no folder above it has become a link. */
async function demandSame(file: FileHandle, path: string, seen: Stat): Promise<void> {
  const now = await file.stat({ bigint: true })
  const where = process.platform === 'linux' ? await readlink(`/proc/self/fd/${file.fd}`) : await realpath(path).catch(() => '')
  const isSame = now.isFile() && now.dev === seen.dev && now.ino === seen.ino && now.size === seen.size && now.mtimeNs === seen.mtimeNs && where === path
  if (!isSame) throw refused('file_changed', `${shown(path)} changed while it was being published. Publish it again when nobody writes to it.`)
}

const statOf = (path: string) => lstat(path, { bigint: true })

/** As it will stand in the torrent. */
function nameOf(bytes: Buffer, where: string): string {
  const text = bytes.toString('utf8')
  const name = text.normalize('NFC')
  if (!Buffer.from(text).equals(bytes) || displayPath([Buffer.from(name)]) !== name) throw refused('bad_name', `${shown(where)} has a name that cannot be published, ${shown(text)}: it has signs that are not seen, or no text at all. Rename it.`)
  return name
}

const shown = (path: string): string => JSON.stringify(path.slice(0, 500))
const refused = (code: string, message: string) => new Unpublishable(code, message)

/** What is wrong with files, told to the operator with what became of the publication; no client is answered it. */
export class Unpublishable extends AppError {
  constructor(code: string, message: string) {
    super(422, code, message)
  }
}

const unreadable = (path: string) => (error: NodeJS.ErrnoException): never => {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') throw refused('not_found', `The service finds nothing at ${shown(path)}.`)
  if (error.code === 'EACCES' || error.code === 'EPERM') throw refused('not_readable', `The service may not read ${shown(path)}.`)
  if (error.code === 'ELOOP') throw refused('link', `${shown(path)} has become a link.`)
  throw refused('not_readable', `${shown(path)} could not be read: ${error.code ?? error.message}.`)
}
