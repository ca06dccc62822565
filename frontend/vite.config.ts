import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// A running Corral and its operator's token, for `npm run dev`: CORRAL=http://127.0.0.1:11435 CORRAL_TOKEN=$(cat .../operator.token)
const corral = process.env.CORRAL ?? 'http://127.0.0.1:11435'
const token = process.env.CORRAL_TOKEN

export default defineConfig({
  base: '/ui/',
  plugins: [react()],
  build: { target: 'es2022', chunkSizeWarningLimit: 600, sourcemap: false },
  server: {
    proxy: {
      '/control': {
        target: corral,
        headers: token ? { Authorization: `Bearer ${token}` } : {},
      },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000, // machines of CI are slow and busy
  },
})
