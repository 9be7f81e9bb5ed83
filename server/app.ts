import Fastify, { type FastifyInstance } from 'fastify'
import { createEndings } from './features/playback/endings.ts'
import { createLiveStreams } from './features/playback/live-streams.ts'
import { createProgressHub } from './features/playback/progress-hub.ts'
import { repeatErasures } from './features/users/erasure.ts'
import { jsonBodies } from './http/bodies.ts'
import { createActorReader } from './http/context.ts'
import { mountConsole } from './http/console.ts'
import { demandPermissions } from './http/declared.ts'
import { mountDocuments } from './http/documents.ts'
import { refuseBadHttp, refuseBadPath } from './http/early-refusals.ts'
import { corsGate, hostGate, httpsGate } from './http/gates.ts'
import { securityHeaders } from './http/headers.ts'
import { mountExports } from './http/exports.ts'
import { mountHealth } from './http/health.ts'
import { wrongMethods } from './http/methods.ts'
import { mountPlaylist } from './http/playlist.ts'
import { problemDocuments } from './http/problems.ts'
import { mountProgress } from './http/progress.ts'
import { requestLog } from './http/request-log.ts'
import { mountRest } from './http/rest.ts'
import { mountStream } from './http/stream.ts'
import { mountSubtitles } from './http/subtitles.ts'
import { readCertificate } from './http/certificate.ts'
import { mountWebSeed } from './http/web-seed.ts'
import { mountTrpc } from './http/trpc.ts'
import type { Deps } from './kit/context.ts'

/** Limits of the edges, stated once (control B9). Bodies of single routes may be allowed more by their procedure. */
const edges = {
  bodyLimit: 256 * 1024,
  maxHeaderSize: 16 * 1024,
  maxParamLength: 300,
  requestTimeout: 30_000,
  headersTimeout: 15_000,
  keepAliveTimeout: 65_000,
  maxRequestsPerSocket: 10_000,
  /** How long a stop lets streams end by themselves. */
  streamGraceMs: 2_000,
}

/** The HTTP side of the system. What a request passes, from top to bottom. */
export async function buildApp(deps: Deps): Promise<FastifyInstance> {
  // before anything is answered: the database may have been restored from a backup that knows people who are gone
  await repeatErasures(deps)
  const { tls, trustedProxies } = deps.config
  const server = { maxHeaderSize: edges.maxHeaderSize, headersTimeout: edges.headersTimeout }
  const app = Fastify({
    ...(tls ? { https: { ...server, ...readCertificate(tls), minVersion: 'TLSv1.2' as const } } : { http: server }),
    bodyLimit: edges.bodyLimit,
    requestTimeout: edges.requestTimeout,
    keepAliveTimeout: edges.keepAliveTimeout,
    maxRequestsPerSocket: edges.maxRequestsPerSocket,
    routerOptions: { maxParamLength: edges.maxParamLength },
    trustProxy: trustedProxies.length > 0 ? trustedProxies : false,
    requestIdHeader: false,
    genReqId: () => deps.newId(),
    forceCloseConnections: 'idle',
    frameworkErrors: refuseBadPath(deps),
    clientErrorHandler: refuseBadHttp(deps),
    // our own line a request (http/request-log.ts) says more and leaks less than the stock one
    logger: false,
  }) as unknown as FastifyInstance

  const endings = createEndings(deps)
  const streams = createLiveStreams(deps, endings)
  const hub = createProgressHub(deps)
  app.addHook('preClose', async () => {
    hub.close()
    await streams.drain(edges.streamGraceMs)
    endings.close()
  })
  const readActor = createActorReader(deps)

  problemDocuments(app, deps)
  demandPermissions(app)
  const methods = wrongMethods(app)
  requestLog(app, deps)
  securityHeaders(app, deps)
  hostGate(app, deps)
  httpsGate(app, deps)
  corsGate(app, deps)
  jsonBodies(app)

  mountHealth(app, deps)
  mountDocuments(app, deps)
  mountRest(app, deps, readActor)
  mountStream(app, deps, streams)
  mountPlaylist(app, deps)
  mountSubtitles(app, deps, endings)
  mountProgress(app, deps, readActor, endings, hub)
  mountExports(app, deps)
  mountWebSeed(app, deps, endings)
  await app.register(async (scope) => mountTrpc(scope, deps, readActor))
  await app.register((scope) => mountConsole(scope, deps))
  methods.finish()
  return app
}
