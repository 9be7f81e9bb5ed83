import fc from 'fast-check'
import { expect, test } from 'vitest'
import { m3u } from './m3u.ts'

const url = 'https://tv.example.org/api/v1/stream/abc/film.mp4'

test('a list names itself and each entry, with its seconds where they are known', () => {
  expect(m3u('A film', [{ title: 'One.mp4', url }, { title: 'Two.mp4', url, seconds: 61.4 }])).toBe(`#EXTM3U\n#PLAYLIST:A film\n#EXTINF:-1,One.mp4\n${url}\n#EXTINF:61,Two.mp4\n${url}\n`)
})

test('no text of people makes a line of its own, or a second entry', () => {
  const nasty = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a\r\nhttp://evil.example/', '#EXTINF:1,x\n', '\u2028http://evil.example', '#EXTM3U', '\ud800'))
  fc.assert(
    fc.property(nasty, fc.array(nasty, { maxLength: 5 }), (title, names) => {
      const lines = m3u(title, names.map((name) => ({ title: name, url }))).split(/\r\n?|[\n\v\f\u0085\u2028\u2029]/)
      expect(lines.length).toBe(2 + 2 * names.length + 1)
      expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual(names.map(() => url))
      expect(lines.slice(2, -1).filter((_line, at) => at % 2 === 0).every((line) => line.startsWith('#EXTINF:-1,'))).toBe(true)
    }),
  )
})
