import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'

const script = fileURLToPath(new URL('../admin.ts', import.meta.url))

type Run<T extends z.ZodType> = { env: NodeJS.ProcessEnv; input?: string; answer: T }

/** Runs the operators' command as an operator would, in a process of its own. @throws Error with what it said */
export async function runAdmin<T extends z.ZodType>(args: string[], { env, input = '', answer }: Run<T>): Promise<z.output<T>> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args, '--json'], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number | null]>])
  if (code !== 0) throw new Error(`"admin ${args[0]}" ended with ${code}: ${stderr.trim()}`)
  return answer.parse(JSON.parse(stdout))
}
