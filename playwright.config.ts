/**
 * Journeys through the console (e2e/*.spec.ts). No retries: a journey that fails sometimes is a fault.
 * Instances are started by worker-scoped fixtures (e2e/fixtures.ts), on ports of their own; there is no shared server.
 */
import { defineConfig, devices } from '@playwright/test'
import { chromiumLaunchOptions } from './e2e/chromium.ts'

const report = process.env['PLAYWRIGHT_REPORT'] ?? 'test-results/report.json'

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  outputDir: 'test-results/journeys',
  workers: 2,
  fullyParallel: false,
  retries: 0,
  forbidOnly: Boolean(process.env['CI']),
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [['line'], ['json', { outputFile: report }]],
  use: {
    ...devices['Desktop Chrome'],
    // The user agent is the browser's own: the preset's names another version than the one that runs.
    userAgent: undefined,
    launchOptions: await chromiumLaunchOptions(),
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
    actionTimeout: 10_000,
    navigationTimeout: 20_000,
    locale: 'en-GB',
    timezoneId: 'UTC',
  },
})
