import { loadConfig } from '../config/load.ts';
import { problemText, type Problem } from '../config/problems.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { defaultFile, fileArgument, type Command } from './command.ts';

export const check: Command = {
  name: 'check',
  about: 'Lists every problem and warning of a configuration, and what it will do. Touches no line and no network.',
  arguments: [fileArgument],
  options: {
    json: { about: 'one JSON value: {"ok", "problems", "summary"}' },
    strict: { about: 'warnings count as bad' },
    'no-secrets': { about: "secrets, certificate files and the buffer's folder need not be there" },
  },
  examples: [
    { line: 'sluice check', about: 'before the daemon is started or reloaded' },
    { line: 'sluice check --no-secrets site.json', about: 'at the desk, without the passwords' },
    { line: 'sluice check --json --strict site.json', about: 'for a pipeline that wants no warnings either' },
  ],
  exits: { 0: 'fine', 1: 'warnings with --strict', 78: 'the configuration is wrong' },

  run({ values, positionals }, { stdout, env }) {
    const file = positionals[0] ?? defaultFile;
    const { problems, config } = loadConfig(file, { env, noSecrets: values['no-secrets'] === true });
    const summary = config === null ? null : summaryOf(config);
    const ok = config !== null && (values['strict'] !== true || problems.length === 0);
    const text =
      values['json'] === true ? `${JSON.stringify({ ok, problems, summary })}\n` : textOf(file, problems, summary);
    stdout.write(text);
    return Promise.resolve(config === null ? 78 : ok ? 0 : 1);
  },
};

export interface Summary {
  readonly gateway: string;
  readonly connections: number;
  readonly devices: number;
  readonly points: number;
  /** Requests on all lines when every point is due at once; null: the drivers do not say. */
  readonly requestsPerCycle: number | null;
  /** On average; below one to four decimals, so that what is read once a month is not nothing. */
  readonly readingsPerHour: number;
}

export function summaryOf(config: SiteConfig): Summary {
  const devices = config.connections.flatMap((connection) => connection.devices);
  const points = devices.flatMap((device) => device.points);
  return {
    gateway: config.gateway,
    connections: config.connections.length,
    devices: devices.length,
    points: points.length,
    requestsPerCycle: config.connections.reduce<number | null>(
      (sum, { requestsPerCycle }) => (sum === null || requestsPerCycle === null ? null : sum + requestsPerCycle),
      0,
    ),
    readingsPerHour: rounded(points.reduce((sum, { everyMs }) => sum + 3_600_000 / everyMs, 0)),
  };
}

function textOf(file: string, problems: readonly Problem[], summary: Summary | null): string {
  const lines = problems.map(problemText);
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const counted = [counting(errors, 'problem'), counting(problems.length - errors, 'warning')].filter(
    (part) => part !== '',
  );
  if (summary === null) return `${[...lines, `${file}: ${counted.join(', ')}; nothing was opened`].join('\n')}\n`;
  const { gateway, connections, devices, points, requestsPerCycle, readingsPerHour } = summary;
  const parts = [
    counting(connections, 'connection', '0 connections'),
    counting(devices, 'device', '0 devices'),
    counting(points, 'point', '0 points'),
    requestsPerCycle === null ? '' : `${counting(requestsPerCycle, 'request', '0 requests')} per cycle`,
    paceOf(readingsPerHour),
  ].filter((part) => part !== '');
  const verdict = counted.length === 0 ? 'no problems' : counted.join(', ');
  return `${[...lines, `${file}: gateway ${gateway}: ${verdict}; ${parts.join(', ')}`].join('\n')}\n`;
}

const rounded = (perHour: number): number => (perHour < 1 ? Number(perHour.toFixed(4)) : Math.round(perHour));

/** In the shortest time that holds at least one. */
function paceOf(perHour: number): string {
  const spans = [
    ['hour', 1],
    ['day', 24],
    ['month', 720],
  ] as const;
  const [span, hours] = spans.find(([, each]) => Math.round(perHour * each) >= 1) ?? spans[0];
  return `${counting(Math.round(perHour * hours), 'reading', '0 readings')} per ${span}`;
}

function counting(count: number, noun: string, none = ''): string {
  return count === 0 ? none : `${count} ${noun}${count === 1 ? '' : 's'}`;
}
