/**
 * Makes the clips of the tests of media facts anew: `node server/test/make-clips.ts`, with Debian's ffmpeg 5.1. Test patterns and
 * tones, drawn by ffmpeg; two seconds and a few kilobytes each, so that tests need no ffmpeg.
 */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const mostBytes = 24 * 1024
const picture = ['-f', 'lavfi', '-i', 'testsrc=size=64x36:rate=5:duration=2']
const tone = (frequency: number) => ['-f', 'lavfi', '-i', `sine=frequency=${frequency}:sample_rate=48000:duration=2`]
const h264 = ['-c:v', 'libx264', '-preset', 'veryslow', '-crf', '40', '-pix_fmt', 'yuv420p']
const aac = ['-c:a', 'aac', '-b:a', '16k', '-ac', '1']
// The same bytes at every run of the same ffmpeg.
const same = ['-threads', '1', '-fflags', '+bitexact', '-flags', '+bitexact', '-map_metadata', '-1']

const clips: Record<string, string[]> = {
  'index-at-start.mp4': [...picture, ...tone(330), ...h264, ...aac, '-movflags', '+faststart'],
  'index-at-end.mp4': [...picture, ...tone(330), ...h264, ...aac],
  'fragments.mp4': [...picture, ...h264, '-g', '1', '-movflags', 'frag_keyframe+empty_moov'],
  'ten-bits.mp4': [...picture, ...h264, '-pix_fmt', 'yuv420p10le'],
  'hevc.mp4': [...picture, ...tone(330), '-c:v', 'libx265', '-x265-params', 'log-level=error', '-crf', '40', '-pix_fmt', 'yuv420p', '-tag:v', 'hvc1', ...aac],
  'vp9-opus.webm': [...picture, ...tone(330), '-c:v', 'libvpx-vp9', '-crf', '50', '-b:v', '0', '-pix_fmt', 'yuv420p', '-c:a', 'libopus', '-b:a', '12k'],
  'two-languages.mkv': [...picture, ...tone(330), ...tone(550), '-map', '0:v', '-map', '1:a', '-map', '2:a', ...h264, ...aac, '-metadata:s:a:0', 'language=eng', '-metadata:s:a:1', 'language=ger'],
  'ac3.mp4': [...picture, ...tone(330), ...h264, '-c:a', 'ac3', '-b:a', '32k'],
  'tone.mp3': [...tone(330), '-c:a', 'libmp3lame', '-b:a', '32k'],
  'tone.flac': [...tone(330), '-c:a', 'flac', '-ar', '8000'],
  'tone.ogg': [...tone(330), '-c:a', 'libvorbis', '-q:a', '0'],
}

for (const [name, how] of Object.entries(clips)) {
  const file = fileURLToPath(new URL(`clips/${name}`, import.meta.url))
  execFileSync('ffmpeg', ['-y', '-loglevel', 'error', ...how, ...same, file], { stdio: 'inherit' })
  const { size } = statSync(file)
  if (size > mostBytes) throw new Error(`${name} has ${size} bytes; ${mostBytes} are allowed.`)
  console.log(`${name}: ${size} bytes`)
}
