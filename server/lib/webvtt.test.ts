import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SubtitleFormat } from './subtitle-files.ts'
import { toWebVtt } from './webvtt.ts'

const cuesOf = (text: string, format: SubtitleFormat) => toWebVtt(text, format).vtt.replace('WEBVTT\n\n', '').split('\n\n').map((cue) => cue.trim())
const srt = (words: string) => `1\n00:00:01,000 --> 00:00:02,000\n${words}\n`

describe('SubRip', () => {
  test.each<[string, string, string[]]>([
    ['cues, with their line ends', '1\r\n00:00:01,500 --> 00:00:02,000\r\nOne\r\nTwo\r\n\r\n2\r\n01:00:00,000 --> 01:00:01,000\r\nThree', ['00:00:01.500 --> 00:00:02.000\nOne\nTwo', '01:00:00.000 --> 01:00:01.000\nThree']],
    ['no empty line between them', '1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:03,000 --> 00:00:04,000\nTwo', ['00:00:01.000 --> 00:00:02.000\nOne', '00:00:03.000 --> 00:00:04.000\nTwo']],
    ['in another order', '00:00:03,000 --> 00:00:04,000\nTwo\n\n00:00:01,000 --> 00:00:02,000\nOne', ['00:00:01.000 --> 00:00:02.000\nOne', '00:00:03.000 --> 00:00:04.000\nTwo']],
    ['times written carelessly', ' 0:0:1.5 -> 0:00:02,25 X1:40\nOne', ['00:00:01.500 --> 00:00:02.250\nOne']],
    ['ends before they begin', '00:00:02,000 --> 00:00:01,000\nOne', ['WEBVTT']],
    ['nothing to say', '00:00:01,000 --> 00:00:02,000\n<i> </i>', ['WEBVTT']],
    ['no subtitles', 'The quick brown fox.', ['WEBVTT']],
  ])('%s', (_what, text, expected) => {
    expect(cuesOf(text, 'srt')).toEqual(expected)
  })

  test.each<[string, string, string]>([
    ['italics and bold', '<i>a</i> <B>b</B>', '<i>a</i> <b>b</b>'],
    ['tags that are not closed, or cross', '<i>a <b>b</i> c', '<i>a <b>b</b></i><b> c</b>'],
    ['tags that were never opened', 'a</i>b', 'ab'],
    ['other tags', '<font color="red">a</font><c.loud>b</c><v Ann>c<00:01.000>d', 'abc&lt;00:01.000&gt;d'],
    ['a script', '<script>alert(1)</script><img src=x onerror=alert(1)>', 'alert(1)'],
    ['arrows', 'a --> b', 'a --&gt; b'],
    ['entities', '&lt;script&gt; &amp; &#60;b&#62; &nbsp;x &unknown;', '&lt;script&gt; &amp; &lt;b&gt; \u00a0x &amp;unknown;'],
    ['codes of SubStation Alpha', String.raw`{\an8}a {y}`, 'a {y}'],
    ['less than', 'I <3 you, 1 < 2', 'I &lt;3 you, 1 &lt; 2'],
  ])('%s', (_what, words, expected) => {
    expect(cuesOf(srt(words), 'srt')).toEqual([`00:00:01.000 --> 00:00:02.000\n${expected}`])
  })
})

test('WebVTT keeps its cues, and loses styles, notes, regions, names and places', () => {
  const text = 'WEBVTT - film\n\nSTYLE\n::cue { background: url(https://evil.example/) }\n\nREGION\nid:a\n\nNOTE --> not\n\nintro\n00:01.000 --> 00:02.000 line:0 position:20%\n<v Ann>Hello\n'
  expect(toWebVtt(text, 'vtt')).toEqual({ vtt: 'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello\n', cues: 1 })
})

describe('SubStation Alpha', () => {
  const ass = (...lines: string[]) => ['[Script Info]', 'Title: x', '[V4+ Styles]', 'Format: Name, Fontname', 'Style: Default,Arial', '[Events]', ...lines].join('\n')
  const dialogue = (text: string) => ass('Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text', `Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,${text}`)
  test.each<[string, string, string]>([
    ['words with commas', 'One, two', 'One, two'],
    ['new lines and hard spaces', String.raw`One\NTwo\nThree\hx`, 'One\nTwo\nThree\u00a0x'],
    ['italics, bold by weight, and what else there is', String.raw`{\i1\an8\fnArial}a{\i0} {\b700}b{\b0}`, '<i>a</i> <b>b</b>'],
    ['a brace that is not closed', String.raw`a {\i1 b`, String.raw`a {\i1 b`],
  ])('%s', (_what, text, expected) => {
    expect(cuesOf(dialogue(text), 'ass')).toEqual([`00:00:01.500 --> 00:00:02.000\n${expected}`])
  })

  test('what is drawn is no text', () => {
    expect(toWebVtt(dialogue(String.raw`{\p1}m 0 0 l 100 100{\p0}`), 'ass').cues).toBe(0)
  })

  test('fields stand where the format line says; comments and other sections are none', () => {
    expect(cuesOf(ass('Format: Start, End, Text', 'Comment: 0:00:01.00,0:00:02.00,no', 'Dialogue: 0:00:01.00,0:00:02.00,yes, it is', '[Fonts]', 'Dialogue: 0:00:01.00,0:00:02.00,no'), 'ass')).toEqual(['00:00:01.000 --> 00:00:02.000\nyes, it is'])
  })
})

describe('whatever the file is', () => {
  const formats = fc.constantFrom<SubtitleFormat>('srt', 'vtt', 'ass')
  const piece = fc.oneof(
    fc.constantFrom('\n', '\r\n', '\n\n', '00:00:01,000 --> 00:00:09,000\n', ' --> ', '<script>', '</i>', '<i>', '<', '>', '{\\p1}', '{', '}', '&lt;', '&#62;', '[Events]\n', 'Format: Text, End, Start\n', 'Dialogue: 0,0:00:01.00,0:00:02.00,,,,,,,', 'STYLE\n', '\u2028', '\ud800', '\0'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  )
  test('what comes out is WebVTT: cues in order, within their times, with nothing in them but text, i, b and u', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), formats, (pieces, format) => {
        const { vtt, cues } = toWebVtt(pieces.join(''), format)
        const [head, ...blocks] = vtt.trimEnd().split(/\n\n/)
        expect(head).toBe('WEBVTT')
        expect(blocks.length).toBe(cues)
        let before = ''
        for (const block of blocks) {
          const [times = '', ...words] = block.split(/[\n\r\u2028\u2029\f\v\u0085]/)
          expect(times).toMatch(/^\d\d:\d\d:\d\d\.\d{3} --> \d{2,3}:\d\d:\d\d\.\d{3}$/)
          expect(times >= before || before.startsWith(times.slice(0, 12))).toBe(true)
          before = times
          expect(words.length).toBeGreaterThan(0)
          expect(words.every((line) => line.trim() !== '' && line.isWellFormed() && !line.includes('-->') && !line.includes('\0'))).toBe(true)
          const tags = words.join(' ').match(/<[^>]*>|[<>]/g) ?? []
          expect(tags.every((tag) => /^<\/?[ibu]>$/.test(tag))).toBe(true)
          expect(tags.filter((tag) => tag.startsWith('</')).length * 2).toBe(tags.length)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('more cues than a film has are left out', () => {
    expect(toWebVtt('00:00:01,000 --> 00:00:02,000\nx\n\n'.repeat(25_000), 'srt').cues).toBe(20_000)
  })

  // each would take minutes where the time grew as its square
  test.each<[string, SubtitleFormat, string]>([
    ['angle brackets', 'srt', `00:00:01,000 --> 00:00:02,000\n${'<'.repeat(4_000_000)}`],
    ['tags that open', 'srt', `00:00:01,000 --> 00:00:02,000\n${'<i><b>'.repeat(700_000)}`],
    ['lines of one character', 'srt', `00:00:01,000 --> 00:00:02,000\n${'x\n'.repeat(2_000_000)}`],
    ['times', 'srt', '00:00:01,000 --> 00:00:02,000\n'.repeat(130_000)],
    ['spaces', 'srt', ' '.repeat(4_000_000)],
    ['digits', 'vtt', '1'.repeat(4_000_000)],
    ['braces', 'ass', `[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,,,,,${'{\\i1'.repeat(1_000_000)}`],
    ['commas', 'ass', `[Events]\nFormat: ${'a,'.repeat(1_000_000)}\n${`Dialogue: ${','.repeat(2_000)}\n`.repeat(1_500)}`],
    ['fields', 'ass', `[Events]\n${'Format: a\n'.repeat(400_000)}`],
  ])('4 MB of %s take no longer than they are long', (_what, format, text) => {
    const began = performance.now()
    toWebVtt(text, format)
    expect(performance.now() - began).toBeLessThan(10_000)
  })
})
