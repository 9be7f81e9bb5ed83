import { Worker } from 'node:worker_threads'

/**
 * Bounds what WebAssembly may take in this process: it cannot grow but by `grow`, and takes a refusal for a full machine.
 * V8's own limit (--max-old-space-size) does not count it, and those of the system (RLIMIT_AS) count what V8 only reserves.
 */
export function boundMemory(mostBytes: number): void {
  const { grow } = WebAssembly.Memory.prototype
  WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages) {
    if (this.buffer.byteLength + pages * pageBytes > mostBytes) throw new RangeError('no more memory')
    return grow.call(this, pages)
  }
}

const pageBytes = 64 * 1024

/**
 * Ends this process after so long, whatever it does: a parser that hangs does not hear that the server has gone, which would
 * otherwise end it.
 */
export function boundLife(mostMs: number): void {
  new Worker(`setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${mostMs})`, { eval: true }).unref()
}
