import type { CommandGroup } from './command.ts';

export const buffer: CommandGroup = {
  name: 'buffer',
  about: `Looks into the buffer, also while the daemon runs, after a crash, or on a card that was pulled out. Changes nothing.
What was delivered in the last half minute may still be shown as waiting.`,
  commands: {
    stats: {
      summary: 'how much waits in each lane, since when, and what it takes on disk',
      load: async () => (await import('./buffer-stats.ts')).bufferStats,
    },
    show: {
      summary: 'the readings and events that wait, as the records that will be sent',
      load: async () => (await import('./buffer-show.ts')).bufferShow,
    },
    verify: {
      summary: 'examines every row; lists what is damaged and what that loses',
      load: async () => (await import('./buffer-verify.ts')).bufferVerify,
    },
    'dead-letters': {
      summary: 'records that the broker refused for good, with the reason',
      load: async () => (await import('./buffer-dead-letters.ts')).bufferDeadLetters,
    },
  },
};
