/**
 * The examiner's process (control D5): MediaInfo as WebAssembly, one file, nothing inherited. It is told everything over IPC by
 * its parent, which ends it when it takes too long, and ends with it.
 */
import mediaInfoFactory from 'mediainfo.js'
import { cuesPlace, isFragmented } from './beginning.ts'
import { boundLife, boundMemory } from './bounds.ts'
import { examinerLimits, ToExaminer, type FromExaminer } from './contract.ts'
import { createDiet } from './diet.ts'
import { factsOf, readReport } from './report.ts'

let onBytes: (bytes: Uint8Array) => void = () => {}
const send = (message: FromExaminer): void => void process.send?.(message)

process.on('message', (message) => {
  const parsed = ToExaminer.parse(message)
  if (parsed.kind === 'bytes') onBytes(parsed.bytes)
  else void examine(parsed)
})
process.once('disconnect', () => process.exit())

async function examine({ sizeBytes, lifeMs, wasmBytes }: Extract<ToExaminer, { kind: 'examine' }>): Promise<void> {
  boundLife(lifeMs)
  boundMemory(wasmBytes)
  const mediaInfo = await mediaInfoFactory({ format: 'JSON', chunkSize: examinerLimits.stretchBytes })
  send({ kind: 'ready' })
  let beginning = Buffer.alloc(0)
  const diet = createDiet(() => readReport(mediaInfo.inform()), () => isFragmented(beginning))
  const report = await mediaInfo.analyzeData(sizeBytes, async (length, offset) => {
    if (length < 1 || !diet.takes(offset, length)) return new Uint8Array() // it makes do with what it has had
    const bytes = await need(offset, length)
    if (beginning.length === 0) beginning = Buffer.from(bytes)
    return bytes
  })
  const reading = { cut: diet.isCut(), fragmented: isFragmented(beginning), cuesAt: cuesPlace(beginning, sizeBytes) }
  send({ kind: 'facts', facts: factsOf(readReport(report), reading) })
}

function need(offset: number, length: number): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>()
  onBytes = resolve
  send({ kind: 'need', offset, length })
  return promise
}
