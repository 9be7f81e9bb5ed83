import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { indexOffset, Player } from './player.ts'

async function serve(answer: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, [Symbol.asyncDispose]: close }
}

test('the clip keeps its index at the end, where players have to seek to', async () => {
  const clip = await readFile(fileURLToPath(new URL('clip.mp4', import.meta.url)))
  const at = indexOffset(clip.subarray(0, 4096))
  expect(at).toBeGreaterThan(clip.length * 0.9)
  expect(clip.subarray(at + 4, at + 8).toString('latin1')).toBe('moov')
  expect(at + clip.readUInt32BE(at)).toBe(clip.length)
  expect(clip.length).toBeLessThan(2 * 1024 * 1024)
  expect(() => indexOffset(Buffer.alloc(64))).toThrow(/does not begin/)
})

test('who peeks hangs up when it has enough', async () => {
  const hungUp = Promise.withResolvers<void>()
  await using server = await serve((_request, answer) => {
    answer.writeHead(206, { 'content-range': 'bytes 10-999999/1000000' })
    answer.once('close', hungUp.resolve)
    answer.write(Buffer.alloc(64 * 1024, 7))
  })
  let first = 0
  const { bytes } = await new Player(server.url, 1_000_000).peek(10, 100, async () => void (first += 1))
  expect(bytes).toEqual(Buffer.alloc(100, 7))
  expect(first).toBe(1)
  await hungUp.promise
})

test.each([
  ['the whole file instead of a range', 200, { 'content-length': '4' }, 'answered with 200'],
  ['another range than was asked for', 206, { 'content-range': 'bytes 0-3/4', 'content-length': '4' }, 'instead of "bytes 1-3/4"'],
  ['fewer bytes than promised', 206, { 'content-range': 'bytes 1-3/4', 'content-length': '3' }, /./],
])('a server that sends %s is found out', async (_what, status, headers, message) => {
  await using server = await serve((_request, answer) => {
    answer.writeHead(status, headers)
    answer.write(Buffer.alloc(2), () => answer.socket?.destroySoon())
  })
  await expect(new Player(server.url, 4).peek(1, 3, async () => {})).rejects.toThrow(message)
})
