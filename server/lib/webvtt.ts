/**
 * Subtitles as WebVTT (https://www.w3.org/TR/webvtt1/), made anew from their times and words: styles, positions, regions, notes and
 * every tag but i, b and u are left out, so nothing of a stranger's file reaches a page but text. Pure and linear; never throws.
 */
import { cueMarkup, dialogueMarkup, writeMarkup } from './cue-markup.ts'
import type { SubtitleFormat } from './subtitle-files.ts'

/** Times in milliseconds; `text` may stand in a cue as it is. */
interface Cue { readonly start: number; readonly end: number; readonly text: string }

const mostCues = 20_000
const mostCueChars = 2_000
const latestMs = 100 * 3_600_000

/** `cues`: how many were found; none is a file that could not be read. */
export function toWebVtt(text: string, format: SubtitleFormat): { vtt: string; cues: number } {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  const cues: Cue[] = []
  for (const { start, end, markup } of format === 'ass' ? dialogues(lines) : timedBlocks(lines)) {
    if (cues.length >= mostCues) break
    const words = writeMarkup(markup)
    if (end > start && start < latestMs && words !== '') cues.push({ start, end: Math.min(end, latestMs), text: words })
  }
  cues.sort((a, b) => a.start - b.start)
  return { vtt: ['WEBVTT\n', ...cues.map((cue) => `${time(cue.start)} --> ${time(cue.end)}\n${cue.text}\n`)].join('\n'), cues: cues.length }
}

interface Found { readonly start: number; readonly end: number; readonly markup: ReturnType<typeof cueMarkup> }

/** SubRip, and WebVTT itself: lines below a line of times, up to an empty one. What has no times (STYLE, NOTE) is none. */
function* timedBlocks(lines: readonly string[]): Generator<Found> {
  let block: { start: number; end: number; said: string[]; chars: number } | null = null
  const found = ({ start, end, said }: NonNullable<typeof block>): Found => ({ start, end, markup: cueMarkup(said.join('\n')) })
  for (const line of lines) {
    const times = timesOf(line)
    if (times) {
      // without an empty line before it: what looks like its number is
      if (block && /^\s*\d+\s*$/.test(block.said.at(-1) ?? '')) block.said.pop()
      if (block) yield found(block)
      block = { ...times, said: [], chars: 0 }
    } else if (block && line.trim() === '') {
      yield found(block)
      block = null
    } else if (block && block.chars < mostCueChars) {
      block.said.push(line.slice(0, mostCueChars - block.chars))
      block.chars += line.length
    }
  }
  if (block) yield found(block)
}

function timesOf(line: string): { start: number; end: number } | null {
  const [from = '', to = ''] = line.slice(0, 200).split(/--?>/)
  const [start, end] = [timeOf(from), timeOf(to)]
  return start === null || end === null ? null : { start, end }
}

/** The events of SubStation Alpha: fields by the names of the `Format` line, the last of which is the text, commas and all. */
function* dialogues(lines: readonly string[]): Generator<Found> {
  let names = ['layer', 'start', 'end', 'style', 'name', 'marginl', 'marginr', 'marginv', 'effect', 'text']
  let inEvents = false
  for (const line of lines) {
    if (line.startsWith('[')) inEvents = /^\[events\]/i.test(line)
    const [, kind = '', rest = ''] = (inEvents && /^(Format|Dialogue):(.*)$/i.exec(line)) || []
    if (kind.toLowerCase() === 'format') names = rest.slice(0, 500).split(',').map((name) => name.trim().toLowerCase())
    if (kind.toLowerCase() !== 'dialogue') continue
    const fields = splitAt(rest.slice(0, mostCueChars), names.length)
    const field = (name: string) => fields[names.indexOf(name)]?.trim() ?? ''
    const [start, end] = ['start', 'end'].map((name) => timeOf(field(name)))
    if (start == null || end == null) continue
    yield { start, end, markup: dialogueMarkup(field('text')) }
  }
}

/** In `most` parts, the last of which holds what is left. */
function splitAt(text: string, most: number): string[] {
  const parts: string[] = []
  let from = 0
  while (parts.length < most - 1) {
    const comma = text.indexOf(',', from)
    if (comma < 0) break
    parts.push(text.slice(from, comma))
    from = comma + 1
  }
  return [...parts, text.slice(from)]
}

/** Hours may be missing. Of a fraction the first digit is tenths, however many follow. */
function timeOf(text: string): number | null {
  const found = /^\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?/.exec(text)
  if (!found) return null
  const [, hours = '0', minutes = '0', seconds = '0', fraction = ''] = found
  return (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000 + Number(fraction.padEnd(3, '0'))
}

function time(ms: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0')
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)}.${String(ms % 1_000).padStart(3, '0')}`
}
