/**
 * Two projects: what Node runs itself is imported by Node itself (type stripping, as in production);
 * the console's files hold JSX and go through Vite, as its build does.
 */
import { defineConfig } from 'vitest/config'

const setupFiles = ['server/test/guards.ts']

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    retry: 0,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // How long a test waits for what comes soon: the machine may be busy with another file.
    expect: { poll: { timeout: 10_000, interval: 20 } },
    globalSetup: ['server/test/database.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'server',
          include: ['{server,db,scripts,e2e}/**/*.test.ts'],
          setupFiles,
          // No Vite in between, hence no vi.mock: tests run against real things.
          experimental: { viteModuleRunner: false, nodeLoader: false },
        },
      },
      { extends: true, test: { name: 'admin', include: ['admin/**/*.test.{ts,tsx}'], setupFiles } },
    ],
  },
})
