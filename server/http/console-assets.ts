import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import mime from 'mime-types'
import { NotFound } from '../kit/errors.ts'

const compress = promisify(gzip)

type Asset = { type: string; bytes: Buffer; compressed: Promise<Buffer> | null }
export type Integrity = Record<string, `sha384-${string}`>

/**
 * Serves the built files of the console under /assets: read once, known by name, so that no path is ever made from a request.
 * @param folder build/client/assets
 * @returns the subresource integrity of each file by its path (https://www.w3.org/TR/SRI/)
 */
export async function mountConsoleAssets(app: FastifyInstance, folder: string): Promise<Integrity> {
  const assets = new Map<string, Asset>()
  const integrity: Integrity = {}
  for (const name of (await readdir(folder)).sort()) {
    const bytes = await readFile(join(folder, name))
    assets.set(name, { type: mime.contentType(name) || 'application/octet-stream', bytes, compressed: null })
    integrity[`/assets/${name}`] = `sha384-${createHash('sha384').update(bytes).digest('base64')}`
  }
  app.get<{ Params: { name: string } }>('/assets/:name', { config: { permission: 'public' } }, async ({ params, headers }, reply) => {
    const asset = assets.get(params.name)
    if (!asset) throw new NotFound('file')
    // the name holds the hash of what is in it
    reply.type(asset.type).headers({ 'cache-control': 'public, max-age=31536000, immutable', vary: 'Accept-Encoding' })
    if (!/\bgzip\b/.test(headers['accept-encoding'] ?? '') || !/^(text|application|image\/svg)/.test(asset.type)) return reply.send(asset.bytes)
    asset.compressed ??= compress(asset.bytes, { level: 9 })
    return reply.header('content-encoding', 'gzip').send(await asset.compressed)
  })
  return integrity
}
