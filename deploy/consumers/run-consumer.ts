import { parseArgs } from 'node:util';
import { followFile } from './follow-file.ts';
import { followKafka } from './follow-kafka.ts';
import { type Booking, openInbox } from './inbox.ts';

export interface ConsumerProgram {
  /** Also its consumer group, unless `--group` says otherwise. */
  readonly name: string;
  readonly about: string;
  readonly topics: readonly string[];
  readonly tables: string;
  readonly booking: Booking;
}

/** A consumer as a program: follows its topics until SIGTERM or SIGINT. Exit codes: 0 told to end, 1 failed, 2 usage. */
export async function runConsumer(program: ConsumerProgram): Promise<void> {
  const { name, about, topics } = program;
  const usage = `node ${name}.ts (--brokers HOST:PORT,… [--group NAME] | --file FILE) --db FILE [--topics NAME,…]

${about}
  --brokers  reads from Kafka, as group ${name} unless --group names another
  --file     reads what a gateway without a broker writes
  --db       its own SQLite database; made if missing
  --topics   ${topics.join(',')} unless the site calls them otherwise
`;
  const given = readArguments();
  if (given === undefined) {
    process.stderr.write(usage);
    process.exitCode = 2;
    return;
  }
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  const inbox = openInbox(given.db, program.tables, program.booking);
  const followed = given.topics?.split(',') ?? topics;
  if (given.file === undefined) {
    const source = { brokers: given.brokers?.split(',') ?? [], group: given.group ?? name, topics: followed };
    await followKafka(source, inbox, ending.signal, (text) => void process.stderr.write(`${name}: ${text}\n`));
  } else {
    await followFile({ file: given.file, topics: followed }, inbox, ending.signal);
  }
  inbox.close();
  // What was taken is committed; a socket that lingers has nothing more to say.
  process.exit(0);
}

interface Arguments {
  readonly db: string;
  readonly brokers?: string | undefined;
  readonly file?: string | undefined;
  readonly group?: string | undefined;
  readonly topics?: string | undefined;
}

function readArguments(): Arguments | undefined {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ options: { brokers: text, file: text, db: text, group: text, topics: text } });
    const { db, brokers, file } = values;
    if (db === undefined || (brokers === undefined) === (file === undefined)) return undefined;
    return { ...values, db };
  } catch {
    return undefined;
  }
}
