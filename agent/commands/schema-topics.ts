import { ConfigError, UsageError } from '../errors.ts';
import { defaultPartitions, defaultReplicationFactor, destinations, reasons, topicsOf } from '../uplink/topics.ts';
import type { Topic } from '../uplink/topics.ts';
import type { Destination } from '../uplink/uplink.ts';
import { fileArgument } from './command.ts';
import type { Command, CommandArgs, Io } from './command.ts';
import { configured } from './configured.ts';

export const schemaTopics: Command = {
  name: 'schema topics',
  about:
    'Prints the commands that create all topics, once for a fleet, with the settings they need.\nOne gateway or a hundred write to the same topics.',
  arguments: [
    {
      ...fileArgument,
      about: 'whose uplink.kafka names brokers and topics; without it the topics have their default names',
    },
  ],
  options: {
    json: { about: 'the same as data: [{"stream", "topic", "partitions", "replicationFactor", "config"}, …]' },
    partitions: {
      value: 'N',
      about: `of the two topics of readings, ${defaultPartitions} unless given; fixed for a topic's life`,
    },
    replication: { value: 'N', about: `copies of every record, ${defaultReplicationFactor} unless given` },
  },
  notes: `The commands read the environment: BROKERS (HOST:PORT,…), and COMMAND_CONFIG, a file of client settings where the brokers want TLS or SASL.
A topic that exists is left as it is.`,
  examples: [
    {
      line: 'sluice schema topics sluice.json > topics.sh',
      about: "for whoever runs Kafka: its tools' folder in PATH, then sh topics.sh",
    },
    { line: 'sluice schema topics --partitions 12 --json', about: 'for a tool that manages topics' },
  ],
  exits: { 0: 'fine', 78: 'the configuration is wrong, or has no Kafka' },

  run(args, io) {
    const { brokers, names } = uplinkOf(args, io);
    const topics = topicsOf(names, {
      partitions: numberOf(args, 'partitions') ?? defaultPartitions,
      replicationFactor: numberOf(args, 'replication') ?? defaultReplicationFactor,
    });
    io.stdout.write(args.values['json'] === true ? `${JSON.stringify(topics)}\n` : script(brokers, topics));
    return Promise.resolve(0);
  },
};

interface Named {
  readonly brokers: readonly string[] | null;
  readonly names: Readonly<Record<Destination, string>>;
}

function uplinkOf(args: CommandArgs, io: Io): Named {
  const [file] = args.positionals;
  if (file === undefined)
    return { brokers: null, names: Object.fromEntries(destinations.map((each) => [each, each])) as Named['names'] };
  const { uplink } = configured(args, io, { noSecrets: true });
  if ('kafka' in uplink) return { brokers: uplink.kafka.brokers, names: uplink.kafka.topics };
  throw new ConfigError(
    `${file} sends to a file (uplink.file), which needs no topics; name a file with uplink.kafka, or none`,
  );
}

function numberOf({ values }: CommandArgs, name: string): number | undefined {
  const given = values[name];
  if (given === undefined) return undefined;
  const number = Number(given);
  if (!/^\d+$/.test(String(given)) || number < 1 || number > 10_000)
    throw new UsageError(`schema topics: --${name} is ${JSON.stringify(given)}; allowed: a number from 1 to 10000`);
  return number;
}

/** For any shell; every command can be run alone. What is special about a setting is said in front. */
function script(brokers: readonly string[] | null, topics: readonly Topic[]): string {
  const from = brokers === null ? '${BROKERS:?set it to HOST:PORT,…}' : `\${BROKERS:-${brokers.join(',')}}`;
  const commands = topics.map(({ topic, partitions, replicationFactor, config }) =>
    [
      `kafka-topics.sh --bootstrap-server "${from}" \${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --create --if-not-exists`,
      `--topic ${topic} --partitions ${partitions} --replication-factor ${replicationFactor}`,
      ...Object.entries(config).map(([name, value]) => `--config ${name}=${value}`),
    ].join(' \\\n  '),
  );
  const used = new Map(topics.flatMap(({ config }) => Object.entries(config)));
  const notes = [...used]
    .filter(([name]) => reasons[name] !== undefined)
    .map(([name, value]) => `# ${name}=${value}\n#   ${reasons[name]}`);
  const head =
    '# The topics of Sluice, once for a fleet. A topic that exists is left as it is. The first that fails ends it.';
  return `${[[head, ...notes].join('\n'), 'set -e', ...commands].join('\n\n')}\n`;
}
