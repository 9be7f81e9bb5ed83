import { expect, test } from 'vitest'
import { convertSubtitles } from './convert-subtitles.ts'

const cue = Buffer.from('00:00:01,000 --> 00:00:02,000\nHello\n')

test('makes WebVTT in a thread of its own, of many files at once', async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => convertSubtitles(cue, 'srt')))
  expect(made).toEqual(made.map(() => 'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello\n'))
})

test('a file that takes the thread down is refused, and the next one is read (control D5)', async () => {
  // 128 MB of text are more than the thread may have; files of 4 MB and less are what the route lets in
  const huge = Buffer.alloc(128 * 1024 * 1024, '00:00:01,000 --> 00:00:02,000\nх\n')
  await expect(convertSubtitles(huge, 'srt')).rejects.toMatchObject({ status: 422, code: 'subtitles_unreadable' })
  expect(await convertSubtitles(cue, 'srt')).toContain('Hello')
})
