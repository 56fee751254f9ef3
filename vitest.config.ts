import { defineConfig } from 'vitest/config';

// `npm test` runs everything but the slow suites; `npm run test:slow` (CI) runs only those.
const slow = process.env['SLUICE_SLOW'] === '1';

export default defineConfig({
  test: {
    include: [slow ? 'test/**/*.slow.test.ts' : 'test/**/*.test.ts'],
    exclude: slow ? [] : ['test/**/*.slow.test.ts'],
    setupFiles: process.env['SLUICE_SEED'] === undefined ? [] : ['test/support/seeded.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // One more than the cores that CI has: much of the time is waiting for disks, brokers and children.
    maxWorkers: slow ? 2 : 3,
  },
});
