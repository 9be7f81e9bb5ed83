import { expect, test } from 'vitest'
import { createJourney, demand, JourneyFault } from './journey.ts'

function journey() {
  const lines: string[] = []
  const stop = new AbortController()
  return { lines, stop, walk: createJourney({ print: (line) => lines.push(line), signal: stop.signal }) }
}

test('each step is one line with its time and what was seen', async () => {
  const { lines, walk } = journey()
  const result = await walk.step('somebody signs up', async (saw) => {
    saw('by mail')
    saw('at once')
    return 7
  })
  expect(result).toBe(7)
  expect(lines).toEqual([expect.stringMatching(/^ +\d+\.\d\d s {2}somebody signs up \(by mail; at once\)$/)])
})

test('a step that fails is no line but a sentence, with the cause that fetch hides', async () => {
  const { lines, walk } = journey()
  const failing = walk.step('the film plays', async () => {
    throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })
  })
  await expect(failing).rejects.toThrow(new JourneyFault('Failed: the film plays: fetch failed: connect ECONNREFUSED'))
  await expect(walk.step('it ends', async () => demand(false, 'it does not'))).rejects.toThrow('Failed: it ends: it does not')
  expect(lines).toEqual([])
})

test('a signal ends a step at once, but lets what is being made come to its end first', async () => {
  const { lines, stop, walk } = journey()
  const never = walk.step('it waits', () => new Promise<never>(() => {}))
  const made = Promise.withResolvers<string>()
  let ended = false
  const making = walk.make('it starts', () => made.promise).finally(() => (ended = true))
  stop.abort(new Error('stopped'))
  await expect(never).rejects.toThrow('stopped')
  expect(ended).toBe(false)
  made.resolve('an instance')
  await expect(making).rejects.toThrow('stopped')
  await expect(walk.step('it goes on', async () => 1)).rejects.toThrow('stopped')
  expect(lines).toEqual([])
})
