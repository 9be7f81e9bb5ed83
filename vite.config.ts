/** The console's build: `remix vite:build` writes build/client (hashed assets) and build/server (what the server imports). */
import { vitePlugin as remix } from '@remix-run/dev'
import tailwindcss from '@tailwindcss/vite'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [
    tailwindcss(),
    remix({
      appDirectory: 'admin',
      ignoredRouteFiles: ['**/*.test.{ts,tsx}'],
      future: {
        v3_fetcherPersist: true,
        v3_lazyRouteDiscovery: true,
        v3_relativeSplatPath: true,
        v3_routeConfig: true,
        v3_singleFetch: true,
        v3_throwAbortReason: true,
      },
    }),
  ],
  build: {
    // The page policy allows no data: URLs for styles and scripts, and every asset gets a hash of its own.
    assetsInlineLimit: 0,
    target: 'es2022',
  },
})
