import { loadConfig } from '../config/load.ts';
import { problemText, type Problem } from '../config/problems.ts';
import { summaryLines, summaryOf, totals, type Summary } from './check-summary.ts';
import { defaultFile, fileArgument, type Command } from './command.ts';
import { counted } from './printing.ts';

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

function textOf(file: string, problems: readonly Problem[], summary: Summary | null): string {
  const lines = problems.map(problemText);
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const told = [counting(errors, 'problem'), counting(problems.length - errors, 'warning')].filter(
    (part) => part !== '',
  );
  if (summary === null) return `${[...lines, `${file}: ${told.join(', ')}; nothing was opened`].join('\n')}\n`;
  const verdict = told.length === 0 ? 'no problems' : told.join(', ');
  lines.push(...summaryLines(summary), `${file}: gateway ${summary.gateway}: ${verdict}; ${totals(summary)}`);
  return `${lines.join('\n')}\n`;
}

function counting(count: number, noun: string): string {
  return count === 0 ? '' : counted(count, noun);
}
