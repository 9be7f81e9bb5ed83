import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeText } from './decode-text.ts'

/** Bytes of a text in an encoding of one byte a character. */
function inSingleBytes(text: string, encoding: string): Uint8Array {
  const table = new Map(Array.from({ length: 256 }, (_, byte) => [new TextDecoder(encoding).decode(Uint8Array.of(byte)), byte]))
  return Uint8Array.from(text, (character) => table.get(character) ?? expect.fail(`${encoding} has no ${character}`))
}
const utf16 = (text: string, big = false) => (big ? Buffer.from(text, 'utf16le').swap16() : Buffer.from(text, 'utf16le'))
// a few sentences, as people speak: less than one of them is too little to tell by
const asSubtitles = (...said: string[]) => said.map((words, n) => `${n + 1}\r\n00:00:0${n},000 --> 00:00:0${n + 1},000\r\n${words}\r\n\r\n`).join('')
const german = asSubtitles('Ich weiß nicht, was geschehen ist, aber ich möchte jetzt nach Hause.', 'Könntest du mir bitte die Schlüssel geben?', 'Schöne Grüße aus Österreich, bis später!')
const russian = asSubtitles('Я не знаю, что случилось, но думаю, нам пора домой.', 'Пожалуйста, скажи мне всю правду об этом человеке.', 'Большое спасибо, увидимся позже.', 'Где мои ключи? Я оставил их на столе.')
const polish = asSubtitles('Nie wiem, co się stało, ale myślę, że powinniśmy już iść do domu.', 'Proszę, powiedz mi całą prawdę o tym człowieku.', 'Dziękuję bardzo, do zobaczenia później.')

describe('text of unknown encoding', () => {
  test.each<[string, Uint8Array, string]>([
    ['UTF-8', Buffer.from(russian), russian],
    ['UTF-8 with its mark', Buffer.from(`\ufeff${german}`), german],
    ['UTF-16 with its mark', utf16(`\ufeff${german}`), german],
    ['UTF-16, the other way round', utf16(`\ufeff${german}`, true), german],
    ['UTF-16 without a mark', utf16(german), german],
    ['UTF-16, the other way round, without a mark', utf16(russian, true), russian],
    ['windows-1252', inSingleBytes(german, 'windows-1252'), german],
    ['windows-1251', inSingleBytes(russian, 'windows-1251'), russian],
    ['koi8-r', inSingleBytes(russian, 'koi8-r'), russian],
    ['windows-1250', inSingleBytes(polish, 'windows-1250'), polish],
    ['ASCII', Buffer.from('plain'), 'plain'],
    ['nothing', new Uint8Array(), ''],
  ])('%s', (_what, bytes, text) => {
    expect(decodeText(bytes)).toBe(text)
  })

  test('any bytes are some text', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => decodeText(bytes).isWellFormed()))
  })
})
