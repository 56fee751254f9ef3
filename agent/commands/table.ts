import type { CommandTable } from './command.ts';

/** Every command, in the order of help. Loaded when it is named, so that `check` never pays for Kafka. */
export const commands: CommandTable = {
  init: {
    summary: 'writes a commented configuration to begin with',
    load: async () => (await import('./init.ts')).init,
  },
  check: {
    summary: 'all problems and warnings of a configuration, and a summary',
    load: async () => (await import('./check.ts')).check,
  },
  read: {
    summary: 'reads every point once and prints it; sends nothing, keeps nothing',
    load: async () => (await import('./read.ts')).read,
  },
  run: {
    summary: 'the daemon',
    load: async () => (await import('./run.ts')).run,
  },
  status: {
    summary: 'what the running daemon is doing, and what needs somebody',
    load: async () => (await import('./status.ts')).status,
  },
  probe: {
    summary: 'reads registers ad hoc and shows every way to understand them',
    load: async () => (await import('./probe.ts')).probe,
  },
  profiles: {
    summary: 'the meter models whose register maps are built in',
    load: async () => (await import('./profiles.ts')).profiles,
  },
  scan: {
    summary: 'finds the devices on a line or behind a gateway',
    load: async () => (await import('./scan.ts')).scan,
  },
  browse: {
    summary: 'what an OPC UA server has, with points ready to paste',
    load: async () => (await import('./browse.ts')).browse,
  },
  import: {
    summary: 'points from a spreadsheet, ready to paste',
    load: async () => (await import('./import.ts')).importCsv,
  },
  schema: {
    summary: 'the published schemas: of the configuration, of records',
    load: async () => (await import('./schema.ts')).schema,
  },
  buffer: {
    summary: 'looks into the buffer: stats, show, verify, dead-letters',
    load: async () => (await import('./buffer.ts')).buffer,
  },
  pki: {
    summary: 'OPC UA certificates: list, trust, renew',
    load: async () => (await import('./pki.ts')).pki,
  },
  simulate: {
    summary: 'serves a simulated site from its own configuration',
    load: async () => (await import('./simulate.ts')).simulate,
  },
  completion: {
    summary: 'the script by which bash or zsh completes all this',
    load: async () => (await import('./completion.ts')).completionOf(commands),
  },
};
