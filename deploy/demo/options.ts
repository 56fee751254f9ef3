import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** null: until Ctrl-C. */
  readonly seconds: number | null;
  readonly outage: { readonly fromSeconds: number; readonly toSeconds: number } | null;
  /** Where everything is kept; null: a temporary folder. */
  readonly dir: string | null;
  readonly keep: boolean;
}

export const usage = `npm run demo -- [--seconds N] [--outage A-B] [--dir DIR] [--keep]

A simulated pumping station, the gateway, Apache Kafka and three consumers, each a process of its own on this machine.
  --seconds N   ends by itself after N seconds; else at Ctrl-C
  --outage A-B  stops the broker between these seconds
  --dir DIR     keeps configuration, buffer, databases and logs there
  --keep        keeps the temporary folder

Exit codes: 0 nothing lost and all counts agree, 1 not so, 2 usage.
`;

/** The text says what is wrong and what is allowed. */
export function parseOptions(args: readonly string[]): DemoOptions | string {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string' },
        outage: { type: 'string' },
        dir: { type: 'string' },
        keep: { type: 'boolean' },
      },
    }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const seconds = values.seconds === undefined ? null : Number(values.seconds);
  if (seconds !== null && !(seconds >= 1 && seconds <= 86_400)) {
    return `--seconds ${values.seconds}; allowed: a number from 1 to 86400`;
  }
  const between = /^(\d+)-(\d+)$/.exec(values.outage ?? '');
  if (values.outage !== undefined && between === null) return `--outage ${values.outage}; allowed: A-B, e.g. 10-25`;
  const [fromSeconds, toSeconds] = [Number(between?.[1]), Number(between?.[2])];
  if (between !== null && (fromSeconds >= toSeconds || toSeconds >= (seconds ?? Infinity))) {
    return `--outage ${values.outage}; allowed: A before B, and B before the end`;
  }
  return {
    seconds,
    outage: between === null ? null : { fromSeconds, toSeconds },
    dir: values.dir ?? null,
    keep: values.keep === true,
  };
}
