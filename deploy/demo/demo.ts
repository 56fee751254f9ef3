/** `npm run demo`: a pumping station, the gateway, a broker and three consumers on one machine; at the end an audit of what came of it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type DemoOptions, parseOptions, usage } from './options.ts';
import { runDemo } from './run-demo.ts';
import { Show } from './show.ts';
import { type Choice, chooseUplink, isFetched } from './uplink.ts';
import { verdictTable } from './verdict-table.ts';

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  const options = parseOptions(args);
  if (typeof options === 'string') return refuse(options);
  const show = new Show(process.stdout, process.env);
  if (!isFetched()) show.tell('Looking for Apache Kafka; the first time Maven fetches it.');
  const choice = await chooseUplink(process.env['KAFKA_BROKERS']);
  const reason = whyNoOutage(choice);
  if (options.outage !== null && reason !== null) return refuse(`--outage ${reason}`);
  if (choice.kind === 'file')
    show.tell(`No Kafka here (${choice.reason}): the gateway writes to a file, the consumers read it.`);
  if (choice.kind === 'named') show.tell(`Using the brokers in KAFKA_BROKERS, with topics of the demo’s own.`);
  return audited(options, choice, show);
}

async function audited(options: DemoOptions, choice: Choice, show: Show): Promise<number> {
  const dir = options.dir === null ? mkdtempSync(join(tmpdir(), 'sluice-demo-')) : resolve(options.dir);
  const keep = options.keep || options.dir !== null;
  const [ending, hurry] = [new AbortController(), new AbortController()];
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) hurry.abort(new Error(`a second ${signal}: ended without the count`));
      else ending.abort(signal);
    });
  }
  // Whoever reads this has seen enough.
  process.stdout.on('error', () => ending.abort('EPIPE'));
  mkdirSync(dir, { recursive: true });
  try {
    const verdict = await runDemo({ ...options, dir, choice }, show, ending.signal, hurry.signal);
    process.stdout.write(`${verdictTable(verdict).join('\n')}\n`);
    return verdict.problems.length === 0 ? 0 : 1;
  } catch (error) {
    show.settle();
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    if (keep) process.stdout.write(`Kept in ${dir}\n`);
    else rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function whyNoOutage(choice: Choice): string | null {
  if (choice.kind === 'own') return null;
  if (choice.kind === 'named') return 'stops the broker, and those in KAFKA_BROKERS are not the demo’s own';
  return `stops the broker, and there is none here: ${choice.reason}`;
}

function refuse(why: string): number {
  process.stderr.write(`demo: ${why}\n\n${usage}`);
  return 2;
}

process.exit(await main());
