/**
 * The import law. Each rule is proved by planted violations (scripts/lint/imports.test.ts); one without a row there fails.
 * Paths are those of the folders below; npm packages are matched as `node_modules/<name>/`.
 */
const tests = String.raw`\.(test|spec)\.tsx?$|^(server/test|e2e)/`
const npm = (...names) => `(^|/)node_modules/(${names.join('|')})/`
const ours = '^(server|db|admin|scripts|e2e)/'
// What the server uses of the engine: how to speak with it, and how to read the verified bytes that it left on disk.
const engineDoors = String.raw`^server/engine/(contract|client|reader|segments|available-bytes|publish-files)\.ts$`
// What the server uses of the examiner of media files, which is a process as well.
const mediaDoors = String.raw`^server/media/(contract|examine)\.ts$`
const torrentPackages = ['webtorrent', 'bittorrent-[^/]+', 'torrent-[^/]+', 'create-torrent', 'parse-torrent', 'bencode', 'ut_[^/]+', 'node-datachannel', 'utp-native', 'ip-set']

/** @param {string} name @param {string} comment @param {object} from @param {object} to */
const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    // 1
    forbid('lib-imports-nothing-of-ours', 'lib holds pure functions.', { path: '^server/lib/', pathNot: tests }, { path: ours, pathNot: '^server/lib/' }),
    forbid('lib-does-no-io', 'lib holds pure functions.', { path: '^server/lib/', pathNot: tests }, {
      dependencyTypes: ['core'],
      path: '^(node:)?(fs|net|tls|http2?|https|dgram|dns|child_process|worker_threads|cluster|readline|repl|timers|process|os)(/|$)',
      // isIP and BlockList reach no network, but live there
      pathNot: '^(node:)?net$',
    }),
    // 2
    forbid('db-stands-on-lib', 'db knows lib alone.', { path: '^db/', pathNot: tests }, { path: ours, pathNot: '^(db|server/lib)/' }),
    forbid('kit-stands-below-features', 'kit knows lib and db; of the rest only the shapes of settings and of the engine client.', { path: '^server/kit/', pathNot: tests }, {
      path: ours,
      pathNot: String.raw`^(server/(kit|lib)|db)/|^server/config\.ts$|${engineDoors}`,
    }),
    // 3
    forbid(
      'contract-is-zod-only',
      'A contract is read by the console too: zod, lib, the zod helpers of kit, and the shapes of other contracts.',
      { path: String.raw`^server/features/[^/]+/contract\.ts$` },
      { pathNot: String.raw`(^|/)node_modules/zod/|^server/lib/|^server/kit/zod\.ts$|^server/features/[^/]+/contract\.ts$` },
    ),
    // 4
    forbid('feature-stands-on-kit-lib-db', 'Features know neither the edges nor how the app is put together.', { path: '^server/features/', pathNot: tests }, {
      path: ours,
      pathNot: String.raw`^server/(features|kit|lib)/|^db/|^server/config\.ts$|${engineDoors}|${mediaDoors}`,
    }),
    forbid(
      'sibling-through-its-front',
      'A feature shows siblings the file that bears its name, and its contract.',
      { path: '^server/features/([^/]+)/', pathNot: tests },
      { path: String.raw`^server/features/([^/]+)/(?!(\1|contract)\.ts$)`, pathNot: '^server/features/$1/' },
    ),
    forbid('no-cycles', 'Two files that need each other are one, or hide a third.', {}, { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } }),
    // 5
    forbid(
      'admin-takes-values-of-contracts',
      'What the console runs is its own and the contracts; the rest it reaches through the router.',
      { path: '^admin/', pathNot: tests },
      { path: '^(server|scripts|e2e)/', pathNot: String.raw`^server/features/[^/]+/contract\.ts$`, dependencyTypesNot: ['type-only'] },
    ),
    forbid('admin-takes-types-of-the-router', 'Types: of the router, the contracts and what the mount gives its loaders.', { path: '^admin/', pathNot: tests }, {
      path: '^(server|scripts|e2e)/',
      pathNot: String.raw`^server/(router|features/[^/]+/contract|http/console)\.ts$`,
      dependencyTypes: ['type-only'],
    }),
    forbid('admin-knows-no-database', 'The console asks the router.', { path: '^admin/', pathNot: tests }, { path: `^db/|${npm('drizzle-orm', 'postgres', 'pg', 'graphile-worker')}` }),
    forbid('only-the-mount-knows-admin', 'The console stands on the server, not the other way round.', { path: '^(server|db|scripts)/', pathNot: `${tests}|^server/http/` }, { path: '^admin/' }),
    // 6
    forbid('rules-know-no-transport', "A feature's rules know neither Fastify nor tRPC.", { path: '^server/features/', pathNot: String.raw`${tests}|/router\.ts$` }, {
      path: npm('fastify', '@fastify', '@trpc', 'trpc-to-openapi', '@remix-run'),
    }),
    forbid('routers-know-no-fastify', 'A procedure answers over tRPC, REST and in process alike.', { path: [String.raw`^server/router\.ts$`, String.raw`^server/features/[^/]+/router\.ts$`] }, { path: npm('fastify', '@fastify', '@remix-run') }),
    // 7
    forbid('engine-imports-lib-only', 'The engine knows no database, no user, no HTTP request.', { path: '^server/engine/', pathNot: tests }, { path: ours, pathNot: '^server/(engine|lib)/' }),
    forbid('engine-knows-no-database-or-request', 'The engine knows no database, no user, no HTTP request.', { path: '^server/engine/', pathNot: tests }, {
      path: npm('fastify', '@fastify', '@trpc', '@remix-run', 'drizzle-orm', 'postgres', 'pg', 'graphile-worker', 'lucia', '@lucia-auth', 'jose', 'nodemailer', 'rate-limiter-flexible'),
    }),
    forbid('only-the-engine-knows-torrents', 'The server knows no webtorrent; tests, the demo and the benches may seed with it.', { path: ours, pathNot: `${tests}|^(server/engine|scripts)/` }, { path: npm(...torrentPackages) }),
    forbid('server-never-loads-webtorrent', 'Not by way of the engine either.', { path: ours, pathNot: `${tests}|^(server/engine|scripts)/` }, { path: npm(...torrentPackages), reachable: true }),
    forbid('engine-through-its-doors', 'The engine is a process: others know its contract, its client and how to read its files.', { path: ours, pathNot: `${tests}|^server/engine/` }, {
      path: '^server/engine/',
      pathNot: engineDoors,
    }),
    forbid('examiner-imports-lib-only', 'It parses hostile files: what it does not know, nobody gets out of it.', { path: '^server/media/', pathNot: tests }, { path: ours, pathNot: '^server/(media|lib)/' }),
    forbid('examiner-through-its-doors', 'The examiner is a process: others know its contract and how to ask it.', { path: ours, pathNot: `${tests}|^server/media/` }, {
      path: '^server/media/',
      pathNot: mediaDoors,
    }),
    forbid('hostile-media-is-parsed-apart', 'Only the examiner loads the parser (control D5).', { path: ours, pathNot: `${tests}|^server/media/main\\.ts$` }, { path: npm('mediainfo\\.js') }),

    // the edges, and what is not shipped
    forbid('http-stands-on-kit-lib-features', 'An edge knows how requests arrive, and no table; deps reach it as an argument.', { path: '^server/http/', pathNot: tests }, {
      path: ours,
      pathNot: String.raw`^server/(http|kit|lib|features)/|^server/(router|config)\.ts$|^db/(client|migrate)\.ts$|${engineDoors}|^admin/`,
    }),
    forbid('nothing-shipped-imports-scripts', 'Scripts use the product, never the other way round.', { path: '^(server|db|admin)/', pathNot: tests }, { path: '^(scripts|e2e)/' }),
    forbid('nothing-shipped-imports-tests', 'What tests use stays with them, and with scripts.', { path: '^(server|db|admin)/', pathNot: tests }, { path: tests }),
    forbid('nothing-shipped-needs-a-development-tool', 'What runs in production is a dependency of production.', { path: '^(server|db|admin)/', pathNot: String.raw`${tests}|\.config\.[jt]s$|\.d\.ts$|^admin/routes\.ts$` }, {
      dependencyTypes: ['npm-dev'],
      dependencyTypesNot: ['type-only'],
    }),
    forbid('only-listed-packages', 'A package that package.json does not list is there by accident.', { path: ours }, { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] }),
    forbid('imports-resolve', 'It must exist.', { path: ours }, { couldNotResolve: true }),
    forbid('remix-umbrella-stays-unused', 'The umbrella package only throws when imported.', { path: ours }, { path: npm('remix') }),
    forbid('lucia-behind-one-door', 'Superseded upstream: one module knows it, and can be replaced.', { path: ours, pathNot: String.raw`${tests}|^server/features/auth/lucia\.ts$` }, { path: npm('lucia', '@lucia-auth') }),
    forbid('oslo-behind-one-door', 'Superseded upstream: one module knows it, and can be replaced.', { path: ours, pathNot: String.raw`${tests}|^server/features/factors/totp\.ts$` }, { path: npm('oslo') }),
    forbid('webauthn-behind-one-door', 'One module says what a passkey must prove.', { path: ours, pathNot: String.raw`${tests}|^server/features/factors/webauthn\.ts$` }, { path: npm('@simplewebauthn/server') }),
    forbid('no-orphans', 'A file that nothing imports and that imports nothing is left over.', { orphan: true, path: '^(server|db|admin)/', pathNot: String.raw`${tests}|\.d\.m?ts$|\.config\.[jt]s$` }, {}),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^admin/build/' },
    // type imports too: they carry knowledge across a border like any other
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.tsx', '.mjs', '.js', '.cjs', '.json'] },
    builtInModules: { add: ['node:sqlite', 'node:test'] },
  },
}
