import { defineConfig } from '@playwright/test'

const wide = { width: 1280, height: 800 }
const narrow = { width: 360, height: 740 }

// Every test at two sizes and in both colours. Chromium is Debian's: nothing is downloaded.
export default defineConfig({
  testDir: 'e2e',
  outputDir: '../bin/page-tests',
  globalSetup: './e2e/corral.ts',
  fullyParallel: true,
  workers: 2,
  timeout: 180_000, // a machine that is busy with other things is slow, not broken
  expect: { timeout: 45_000 },
  reporter: [['list']],
  forbidOnly: true,
  use: {
    locale: 'en-US',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
    trace: 'off',
    screenshot: 'only-on-failure',
  },
  projects: [
    { name: 'wide light', use: { viewport: wide, colorScheme: 'light' } },
    { name: 'narrow dark', use: { viewport: narrow, colorScheme: 'dark' } },
    { name: 'wide dark', use: { viewport: wide, colorScheme: 'dark' }, grep: /@looks/ },
    { name: 'narrow light', use: { viewport: narrow, colorScheme: 'light' }, grep: /@looks/ },
  ],
})
