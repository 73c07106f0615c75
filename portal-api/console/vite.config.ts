import tailwindcss from '@tailwindcss/vite';
import { tanstackRouter } from '@tanstack/router-plugin/vite';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds the hub; the built console is served by the hub itself. */
const hub = process.env.SYNCLINE_URL ?? 'http://127.0.0.1:8080';

/**
 * React Aria brings its spoken words in 34 languages. Ours are English only, and a page that speaks two is worse than
 * one that speaks one: every other language is given the English words, which also saves 60 KB.
 */
const oneLanguage: Plugin = {
  name: 'one-language',
  load: (id) =>
    /\/react-(aria|stately|aria-components)\/.*\/intl\/.*\/(?!en-US)[a-z]{2}-[A-Z]{2}\.mjs$/.test(id)
      ? "export { default } from './en-US.mjs';"
      : null,
};

export default defineConfig({
  plugins: [
    tanstackRouter({
      target: 'react',
      autoCodeSplitting: true,
      quoteStyle: 'single',
      generatedRouteTree: './src/route-tree.gen.ts',
      routeFileIgnorePattern: '\\.test\\.tsx?$',
    }),
    react(),
    oneLanguage,
    tailwindcss(),
  ],
  server: { proxy: { '/api': { target: hub, changeOrigin: true } } },
  build: {
    manifest: true,
    // The notices of every bundled package, shown by the page /licenses.
    license: { fileName: 'licenses.txt' },
    // The content policy allows no inline script, and nothing as small as ours gains from inlined files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: 'jsdom',
    setupFiles: './src/test/setup.ts',
    include: ['src/**/*.test.{ts,tsx}'],
    css: false,
    restoreMocks: true,
    // Two cores are shared with a build as often as not.
    testTimeout: 20_000,
    env: { DEBUG_PRINT_LIMIT: '0' },
  },
});
