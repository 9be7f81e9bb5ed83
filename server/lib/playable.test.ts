import { describe, expect, test } from 'vitest'
import { playableBy, type PlayedTrack } from './playable.ts'

const video = (codec: string, more: Partial<PlayedTrack> = {}): PlayedTrack => ({ kind: 'video', codec, profile: null, bitDepth: 8, ...more })
const audio = (codec: string): PlayedTrack => ({ kind: 'audio', codec, profile: null, bitDepth: null })

describe('what plays where', () => {
  test.each([
    ['mp4', [video('h264', { profile: 'High' }), audio('aac')], 'direct'],
    ['mp4', [audio('aac')], 'direct'],
    ['mp4', [video('av1', { profile: 'Main' }), audio('aac')], 'external_player'],
    ['mp4', [video('h264'), audio('opus')], 'external_player'],
    ['webm', [video('av1', { profile: 'Main', bitDepth: 10 }), audio('opus')], 'direct'],
    ['webm', [video('av1', { profile: 'High' })], 'external_player'],
    ['mp4', [video('h264', { bitDepth: 10 })], 'external_player'],
    ['mp4', [video('h264', { profile: 'High 4:4:4 Predictive' })], 'external_player'],
    ['mp4', [video('hevc'), audio('aac')], 'external_player'],
    ['mp4', [video('h264'), audio('eac3')], 'external_player'],
    ['mp4', [audio('alac')], 'external_player'],
    ['webm', [video('vp8'), audio('vorbis')], 'direct'],
    ['webm', [video('vp9', { profile: '2', bitDepth: 10 }), audio('opus')], 'external_player'],
    ['mkv', [video('h264'), audio('aac')], 'external_player'],
    ['mkv', [video('h264'), audio('dts')], 'external_player'],
    ['mov', [video('h264'), audio('aac')], 'external_player'],
    ['avi', [video('mpeg4'), audio('mp3')], 'external_player'],
    ['ts', [video('h264'), audio('aac')], 'external_player'],
    ['ogg', [audio('vorbis')], 'direct'],
    ['ogg', [video('theora'), audio('vorbis')], 'external_player'],
    ['mp3', [audio('mp3')], 'direct'],
    ['mp3', [audio('mp2')], 'external_player'],
    ['wav', [audio('pcm')], 'direct'],
    ['something-new', [video('vvc')], 'external_player'],
    ['mkv', [{ ...audio('srt'), kind: 'subtitle' as const }], 'no'],
    ['jpeg', [], 'no'],
  ] as const)('%s with %j: %s', (container, tracks, playable) => {
    expect(playableBy({ container, tracks })).toBe(playable)
  })

  test('the first track of each kind decides, as it does for a player', () => {
    expect(playableBy({ container: 'mp4', tracks: [video('h264'), audio('aac'), audio('dts')] })).toBe('direct')
    expect(playableBy({ container: 'mp4', tracks: [video('h264'), audio('dts'), audio('aac')] })).toBe('external_player')
  })

  test('a name that objects have by themselves is no container', () => {
    expect(playableBy({ container: 'constructor', tracks: [video('h264')] })).toBe('external_player')
  })
})
