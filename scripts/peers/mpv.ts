/** mpv as a process of its own, without picture or sound card, steered over its JSON IPC. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

export type Mpv = AsyncDisposable & {
  /** A command of mpv(1), "List of Input Commands". @returns its data */
  command(...words: (string | number | boolean)[]): Promise<unknown>
  /** @returns its exit code */
  ended: Promise<number | null>
}

const startMs = 20_000

export async function startMpv(url: string, socketPath: string): Promise<Mpv> {
  const child = spawn('mpv', ['--no-config', '--no-video', '--ao=null', `--input-ipc-server=${socketPath}`, '--really-quiet', url], { stdio: 'ignore' })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  try {
    const socket = await Promise.race([open(socketPath), ended.then(() => Promise.reject(new Error('mpv ended')))])
    const waiting = new Map<number, (answer: { error: string; data?: unknown }) => void>()
    createInterface({ input: socket }).on('line', (line) => {
      const answer = JSON.parse(line) as { request_id?: number; error: string; data?: unknown }
      if (answer.request_id) waiting.get(answer.request_id)?.(answer)
    })
    socket.on('error', () => {}) // it ends when mpv does
    socket.on('close', () => waiting.forEach((answered) => answered({ error: 'mpv has gone' })))
    let last = 0
    return {
      ended,
      async command(...words) {
        last += 1
        const { promise, resolve } = Promise.withResolvers<{ error: string; data?: unknown }>()
        waiting.set(last, resolve)
        socket.write(`${JSON.stringify({ command: words, request_id: last })}\n`)
        const { error, data } = await promise
        return error === 'success' ? data : null
      },
      async [Symbol.asyncDispose]() {
        await stop()
        socket.destroy()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function open(path: string): Promise<Socket> {
  for (const bound = performance.now() + startMs; performance.now() < bound; await pause(20)) {
    const socket = connect(path)
    const isOpen = await once(socket, 'connect').then(() => true, () => false)
    if (isOpen) return socket
  }
  throw new Error('mpv opened no socket')
}
