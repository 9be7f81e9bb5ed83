/** What an operator publishes at a terminal. The work is the running service's: it has the engine, and reads the files itself. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { PublishRequest, type Publication } from '../../server/features/publishing/contract.ts'
import type { Ctx } from '../../server/kit/context.ts'
import { CommandFault, UsageError } from './faults.ts'
import { flag, read, text, type Answer, type Input, type Verb } from './verb.ts'

/** A service that runs takes what waits at once, unless it is at work on something else. */
const patienceMs = 15_000
const lookMs = 300

export const publishingVerbs: Record<string, Verb> = {
  publish: {
    usage: '--path <file or folder> --title <title> [--category <id>] [--licence <licence>] [--language <tag>] [--description <text>] [--source-url <url>] [--tracker <url>]… [--private] [--web-seed] [--approve] [--save-torrent <file>] [--no-wait]',
    about: 'Makes a torrent of your own file or folder, keeps a copy and seeds it. A moderator decides whether viewers see it, or you by --approve.',
    options: {
      ...{ path: text, title: text, category: text, licence: text, language: text, description: text, 'source-url': text, tracker: { ...text, multiple: true } },
      ...{ private: flag, 'web-seed': flag, approve: flag, 'save-torrent': text, 'no-wait': flag },
    },
    prepare({ values }) {
      const request = readRequest(values)
      const torrentPath = read(z.string().min(1).optional(), 'save-torrent', values)
      const waits = values['no-wait'] !== true
      if (torrentPath !== undefined && !waits) throw new UsageError('--save-torrent has nothing to save with --no-wait.')
      return async (ctx) => {
        const { requestPublication, publicationById } = await import('../../server/features/publishing/publishing.ts')
        const { id } = await requestPublication(ctx, request)
        if (!waits) return told(await publicationById(ctx, id))
        const publication = await outcome(ctx, id)
        if (publication.state === 'failed') throw new CommandFault(publication.fault?.code ?? 'failed', publication.fault?.message ?? 'It did not work.')
        return publication.state === 'waiting' ? told(publication) : published(ctx, publication, request, torrentPath)
      }
    },
  },

  'list-publications': {
    usage: '',
    about: 'Lists what was published or waits to be, the latest first: id, state, title, and why it failed.',
    options: {},
    prepare: () => async (ctx) => {
      const { listPublications } = await import('../../server/features/publishing/publishing.ts')
      const publications = await listPublications(ctx)
      return { json: { publications }, text: publications.length === 0 ? 'Nothing was published yet.' : publications.map(asLine).join('\n') }
    },
  },
}

function readRequest(values: Input['values']): PublishRequest {
  const { path, title, category, licence, language, description, tracker, private: isPrivate, approve, 'source-url': sourceUrl, 'web-seed': webSeed } = values
  if (typeof path !== 'string' || path === '') throw new UsageError('--path is missing.')
  if (title === undefined) throw new UsageError('--title is missing.')
  const given = { path: resolve(path), title, category, licence, language, description, sourceUrl, trackers: tracker, private: isPrivate, webSeed, approve }
  const result = PublishRequest.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))
  if (result.success) return result.data
  const [issue] = result.error.issues
  const option = String(issue?.path[0] ?? '')
  if (option === '') throw new UsageError('--private and --web-seed exclude each other.')
  throw new UsageError(`--${{ sourceUrl: 'source-url', trackers: 'tracker' }[option] ?? option} is not valid.`)
}

/** Waits until it is published or failed; only until somebody should have begun, where nobody has. */
async function outcome(ctx: Ctx, id: string): Promise<Publication> {
  const { publicationById } = await import('../../server/features/publishing/publishing.ts')
  for (const since = performance.now(); ; await pause(lookMs)) {
    const publication = await publicationById(ctx, id)
    if (publication.state !== 'waiting' || (publication.startedAt === null && performance.now() - since > patienceMs)) return publication
    if (process.stderr.isTTY && publication.bytesRead > 0) process.stderr.write(`\r${Math.round(publication.bytesRead / 1024 ** 2)} MiB`)
  }
}

const told = (publication: Publication): Answer => ({
  json: publication,
  text: `${publication.id} waits: the service of this data folder publishes it when it runs and has done what came before. See list-publications.`,
})

async function published(ctx: Ctx, publication: Publication, { approve }: PublishRequest, torrentPath: string | undefined): Promise<Answer> {
  const { torrentFileOf } = await import('../../server/features/publishing/publishing.ts')
  const { torrent, webSeeds } = await torrentFileOf(ctx, publication.id)
  if (torrentPath !== undefined) {
    await writeFile(torrentPath, torrent).catch((error: NodeJS.ErrnoException) => {
      throw new CommandFault('save_torrent', `It is published as ${publication.torrentId}, but its .torrent could not be saved (${error.code}).`)
    })
  }
  const state = approve ? 'It is approved: viewers find it, and it is seeded.' : 'It is pending: a moderator decides in the console.'
  const lines = [`Published as ${publication.torrentId}, info-hash ${publication.infoHash}. ${state}`, ...webSeeds.map((url) => `Web seed: ${url}`)]
  return { json: { ...publication, webSeeds }, text: lines.join('\n') }
}

const asLine = ({ id, state, createdAt, title, torrentId, fault }: Publication) =>
  [id, state.padEnd(9), createdAt.slice(0, 16), torrentId ?? '-', title, fault ? `(${fault.code}: ${fault.message})` : ''].join('  ').trimEnd()
