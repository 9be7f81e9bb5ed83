import { constants, mkdir, open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentName, type SegmentOfFile } from './segments.ts'

/** Kept open of one torrent: two readers in the middle of their segments, and the tails of two films. */
const mostOpen = 4

interface OpenFile {
  readonly handle: Promise<FileHandle>
  /** Settled when nothing is being written to it. */
  last: Promise<unknown>
}

/**
 * The segments of one torrent that are being filled, kept open meanwhile: opening and closing for each piece were two trips to
 * another thread and back. Pieces of one file are written side by side: in turn, each would wait for the main thread as well.
 */
export class SegmentFiles {
  #folder: string
  /** By name; the one written to least recently comes first. */
  #open = new Map<string, OpenFile>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Writes bytes into a segment, which is made if it is not there. Rejects as the disk does; then the file is let go. */
  async write(segment: SegmentOfFile, bytes: Uint8Array, at: number): Promise<void> {
    const name = segmentName(segment)
    const file = this.#opened(name)
    const writing = file.handle.then((handle) => writeAt(handle, bytes, at))
    file.last = Promise.allSettled([file.last, writing])
    try {
      await writing
    } catch (error) {
      await this.#close(name, file)
      throw error
    }
  }

  /** Lets go of a segment that is whole, goes, or is not what it was: who writes to it next opens what lies there then. */
  async close(segment: SegmentOfFile): Promise<void> {
    const name = segmentName(segment)
    const file = this.#open.get(name)
    if (file) await this.#close(name, file)
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open].map(([name, file]) => this.#close(name, file)))
  }

  #opened(name: string): OpenFile {
    const file = this.#open.get(name) ?? { handle: this.#make(name), last: Promise.resolve() }
    this.#open.delete(name)
    this.#open.set(name, file)
    for (const [other, idle] of this.#open) {
      if (this.#open.size <= mostOpen) break
      void this.#close(other, idle)
    }
    return file
  }

  async #make(name: string): Promise<FileHandle> {
    const path = join(this.#folder, name)
    const flags = constants.O_RDWR | constants.O_CREAT
    return open(path, flags, 0o600).catch(async (error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      await mkdir(this.#folder, { recursive: true, mode: 0o700 }) // somebody else cleaned up
      return open(path, flags, 0o600)
    })
  }

  /** Once what is being written to it is. */
  async #close(name: string, file: OpenFile): Promise<void> {
    if (this.#open.get(name) === file) this.#open.delete(name)
    await file.last
    await file.handle.then((handle) => handle.close()).catch(() => {})
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}
