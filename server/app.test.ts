import { expect, test } from 'vitest'
import { buildApp } from './app.ts'
import { startTestApp } from './test/app.ts'
import { talk } from './test/raw-http.ts'

test('every limit of the edge is set at creation', async () => {
  await using running = await startTestApp()
  const app = await buildApp(running.deps)
  try {
    const { requestTimeout, headersTimeout, keepAliveTimeout, maxRequestsPerSocket } = app.server
    expect({ requestTimeout, headersTimeout, keepAliveTimeout, maxRequestsPerSocket }).toEqual({ requestTimeout: 30_000, headersTimeout: 15_000, keepAliveTimeout: 65_000, maxRequestsPerSocket: 10_000 })
    expect(app.initialConfig).toMatchObject({ bodyLimit: 256 * 1024 })
    expect(app.initialConfig.routerOptions).toMatchObject({ maxParamLength: 300 })
  } finally {
    await app.close()
  }
  // 16 KiB of headers, all of them together
  const many = Array.from({ length: 200 }, (_, i) => `X-${i}: ${'a'.repeat(100)}\r\n`).join('')
  expect(await talk(running.baseUrl, `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${many}\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
})
