import { defineConfig } from '@playwright/test'
import base from './playwright.config'

// The pictures of the README: see scripts/screenshots.
const size = { width: 1280, height: 800 }
export default defineConfig({
  ...base,
  testMatch: 'screenshots.ts',
  workers: 1,
  projects: [
    { name: 'light', use: { viewport: size, colorScheme: 'light' } },
    { name: 'dark', use: { viewport: size, colorScheme: 'dark' } },
  ],
})
