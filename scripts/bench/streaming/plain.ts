import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A file from a plain Node server, a process of its own: by `createReadStream`, or by the least that Node can do. */
export async function servePlainly(file: string, how: 'stream' | 'loop' = 'stream'): Promise<{ readonly url: string; readonly pid: number } & AsyncDisposable> {
  const child = fork(fileURLToPath(new URL('../file-server.ts', import.meta.url)), [file, how], { execArgv: ['--disable-warning=ExperimentalWarning'] })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return {
    url: `http://127.0.0.1:${port}/`,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}
