/**
 * Makes clip.mp4 anew: `node scripts/demo/make-clip.ts`, with Debian's ffmpeg 5.1. Only whoever changes the clip needs it.
 *
 * A moving test pattern that shows its own time, with a tone and a pip each second; drawn by ffmpeg, so nobody else's work is in
 * it. H.264 main profile and AAC, which every player knows. The index (`moov`) stays at the end, as in files nobody prepared for
 * streaming: a player has to seek there before it can show anything. A key frame each second makes seeks exact.
 */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const SECONDS = 24
const MOST_BYTES = 2 * 1024 * 1024
const file = fileURLToPath(new URL('clip.mp4', import.meta.url))

const picture = ['-f', 'lavfi', '-i', `testsrc2=size=640x360:rate=25:duration=${SECONDS}`]
const sound = ['-f', 'lavfi', '-i', `sine=frequency=330:beep_factor=4:sample_rate=48000:duration=${SECONDS}`]
const video = ['-c:v', 'libx264', '-profile:v', 'main', '-preset', 'slow', '-b:v', '480k', '-maxrate', '700k', '-bufsize', '1400k', '-g', '25', '-pix_fmt', 'yuv420p']
const audio = ['-c:a', 'aac', '-b:a', '64k', '-ac', '1']
// The same bytes at every run of the same ffmpeg: one thread, no versions and dates inside.
const same = ['-threads', '1', '-fflags', '+bitexact', '-flags', '+bitexact', '-map_metadata', '-1']

execFileSync('ffmpeg', ['-y', '-loglevel', 'error', ...picture, ...sound, ...video, ...audio, ...same, file], { stdio: 'inherit' })
const { size } = statSync(file)
if (size > MOST_BYTES) throw new Error(`The clip has ${size} bytes; ${MOST_BYTES} are allowed.`)
console.log(`${file}: ${size} bytes`)
