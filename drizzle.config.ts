import { defineConfig } from 'drizzle-kit'

// Generates migrations only; the server's own migrator applies them (db/migrate.ts).
export default defineConfig({ dialect: 'postgresql', schema: './db/schema/*.ts', out: './db/migrations' })
