/** The keys of `uplink.kafka`. */
import * as v from 'valibot';
import { doc, file, flag, hostPort, id, list, object, oneOf, secret, text, topicName } from './grammar.ts';

const tlsFiles = v.pipe(
  object({
    ca: v.optional(
      doc(file(), 'PEM file with the certificates that sign those of the brokers. Those of the system unless stated.', {
        examples: ['/etc/sluice/ca.pem'],
      }),
    ),
    cert: v.optional(
      doc(file(), "PEM file with the gateway's own certificate, where brokers ask for one. Goes with `key`."),
    ),
    key: v.optional(doc(file(), 'PEM file with the private key of `cert`.')),
    serverName: v.optional(
      doc(text(), "The name that the brokers' certificates carry, where it is not their host name.", {
        examples: ['kafka.example'],
      }),
    ),
  }),
  v.metadata({ dependencies: { cert: ['key'], key: ['cert'] } }),
);

const topicOf = (stream: string, holds: string) =>
  v.optional(doc(topicName(), `Name of the topic with ${holds}.`, { examples: [`scada.${stream}`] }), stream);

export const kafka = object({
  brokers: doc(
    list(hostPort(), 'a list of HOST:PORT'),
    'Some of the brokers, each with its port; the others are learnt from them. Two or three, so that one may be away.',
    { examples: [['kafka-1.example:9093', 'kafka-2.example:9093']] },
  ),
  clientId: v.optional(
    doc(
      id(),
      'The name by which brokers know this gateway in logs and quotas: `sluice-` and the gateway unless stated.',
      {
        examples: ['sluice-ps-12'],
      },
    ),
  ),
  tls: v.optional(
    doc(
      v.union([flag(), tlsFiles]),
      'Encryption: `true` trusts what the system trusts, an object names files of your own. Off unless stated.',
      { default: false, examples: [true, { ca: '/etc/sluice/ca.pem' }] },
    ),
  ),
  sasl: v.optional(
    doc(
      object({
        mechanism: doc(
          oneOf(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
          'How the password is proved; ask who runs Kafka.',
        ),
        username: doc(text(), 'The user at the brokers.', { examples: ['ps-12'] }),
        password: doc(
          secret(),
          'Its password: `"${file:PATH}"` reads a file, `"${env:NAME}"` a variable of the environment. In clear it is a warning.',
          { examples: ['${file:/etc/sluice/secrets/kafka}'] },
        ),
      }),
      'Name and password at the brokers. None unless stated. Use `tls` beside it.',
    ),
  ),
  topics: v.optional(
    doc(
      object({
        'meter-readings': topicOf('meter-readings', 'the readings of counters'),
        'sensor-values': topicOf('sensor-values', 'all other readings'),
        'asset-metadata': topicOf('asset-metadata', 'what the devices are (compacted)'),
        'gateway-events': topicOf('gateway-events', 'what happened at the gateway'),
        'gateway-status': topicOf('gateway-status', 'the newest state of the gateway (compacted)'),
      }),
      'Names of the topics, where they are not those of the streams.',
    ),
    {},
  ),
  format: v.optional(doc(oneOf(['json'], ['avro', 'connect-json']), 'How records are written.', { default: 'json' })),
  compression: v.optional(
    doc(oneOf(['zstd', 'gzip', 'none']), 'How batches of records are compressed on their way.'),
    'zstd',
  ),
});
