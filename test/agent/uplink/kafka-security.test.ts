import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type KafkaConfig, kafkaUplink } from '../../../agent/uplink/kafka.ts';
import type { Destination, Uplink } from '../../../agent/uplink/uplink.ts';
import { freePort } from '../../../deploy/kafka/broker.ts';
import { noKafka, readTopic, temporaryBroker } from '../../support/kafka.ts';

const never = new AbortController().signal;

/** A certificate for 127.0.0.1 that is its own authority. */
function certificate(): { cert: string; key: string } {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-cert-'));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const request = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=broker',
    '-keyout',
    key,
    '-out',
    cert,
  ];
  execFileSync('openssl', [...request, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:broker.example'], {
    stdio: 'ignore',
  });
  const made = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  rmSync(dir, { recursive: true });
  return made;
}

describe.skipIf(noKafka !== undefined)('a broker that wants TLS and a password', () => {
  let broker: Awaited<ReturnType<typeof temporaryBroker>>;
  let port: number;
  const ours = certificate();
  const foreign = certificate();

  beforeAll(async () => {
    port = await freePort();
    const oneLine = (pem: string): string => pem.trimEnd().replaceAll('\n', '\\n');
    broker = await temporaryBroker({
      topics: [{ topic: 'meter-readings' }, { topic: 'finance-only' }],
      listeners: { SECURE: { port, protocol: 'SASL_SSL' } },
      settings: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'allow.everyone.if.no.acl.found': 'true',
        'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.secure.plain.sasl.jaas.config':
          'org.apache.kafka.common.security.plain.PlainLoginModule required user_gw="right";',
        'listener.name.secure.ssl.keystore.type': 'PEM',
        'listener.name.secure.ssl.keystore.certificate.chain': oneLine(ours.cert),
        'listener.name.secure.ssl.keystore.key': oneLine(ours.key),
      },
    });
  });
  afterAll(() => broker.remove());

  function uplink(some: Partial<KafkaConfig>): Uplink {
    const sasl = { mechanism: 'PLAIN' as const, username: 'gw', password: () => 'right' };
    return kafkaUplink({
      brokers: [`127.0.0.1:${port}`],
      clientId: 'gw',
      tls: { ca: ours.cert },
      sasl,
      topics: { 'meter-readings': 'meter-readings', 'sensor-values': 'finance-only' } as Record<Destination, string>,
      compression: 'zstd',
      connectTimeoutMs: 5000,
      sendTimeoutMs: 2000,
      ...some,
    })('test');
  }

  async function refusal(some: Partial<KafkaConfig>): Promise<unknown> {
    const one = uplink(some);
    const outcome = await one.connect(never).catch((error: unknown) => error);
    await one.close();
    return outcome;
  }

  it('gets records by the right certificate and password, under any of its names', async () => {
    for (const tls of [{ ca: ours.cert }, { ca: ours.cert, serverName: 'broker.example' }]) {
      const one = uplink({ tls });
      await one.connect(never);
      await one.send('meter-readings', [{ key: 'k', value: '1', timestampMs: Date.now() }], never);
      await one.close();
    }
    expect(await readTopic(broker.bootstrap, 'meter-readings')).toHaveLength(2);
  });

  it('makes a topic that this user may not write a matter for the operator', async () => {
    const admin = new kafkajs.Kafka({ brokers: [broker.bootstrap], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    const acl = {
      resourceType: kafkajs.AclResourceTypes.TOPIC,
      resourceName: 'finance-only',
      resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
      principal: 'User:finance',
      host: '*',
      operation: kafkajs.AclOperationTypes.ALL,
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    };
    await admin.createAcls({ acl: [acl] });
    await admin.disconnect();
    const one = uplink({});
    await one.connect(never);
    const sending = one.send('sensor-values', [{ key: 'k', value: '1', timestampMs: Date.now() }], never);
    await expect(sending).rejects.toMatchObject({ fate: 'operator', code: 'TOPIC_AUTHORIZATION_FAILED' });
    await one.close();
  });

  it('is given up by the deadline when it falls silent, and let go at once', async () => {
    const one = uplink({});
    await one.connect(never);
    broker.pause();
    onTestFinished(() => broker.resume());
    const sending = one.send('meter-readings', [{ key: 'k', value: '"in doubt"', timestampMs: Date.now() }], never);
    await expect(sending).rejects.toMatchObject({ fate: 'retry' });
    const begun = Date.now();
    await one.close();
    expect(Date.now() - begun).toBeLessThan(1000);
  });

  it.each<[string, Partial<KafkaConfig>]>([
    ['a wrong password', { sasl: { mechanism: 'PLAIN', username: 'gw', password: () => 'wrong-secret' } }],
    [
      'a mechanism it does not offer',
      { sasl: { mechanism: 'SCRAM-SHA-512', username: 'gw', password: () => 'wrong-secret' } },
    ],
    ['a certificate of an unknown authority', { tls: { ca: foreign.cert } }],
    ['another name than its certificate', { tls: { ca: ours.cert, serverName: 'other.example' } }],
    [
      'settings that are no certificate',
      { tls: { ca: '-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n' } },
    ],
  ])('makes %s a matter for the operator, without showing the secret', async (_, some) => {
    const error = await refusal(some);
    expect(error).toMatchObject({ fate: 'operator' });
    expect(JSON.stringify([String(error), error])).not.toContain('wrong-secret');
  });

  it('makes a password that cannot be read a matter for the operator', async () => {
    const password = (): string => {
      throw new Error('ENOENT /etc/sluice/secrets/kafka');
    };
    const error = await refusal({ sasl: { mechanism: 'PLAIN', username: 'gw', password } });
    expect(error).toMatchObject({ fate: 'operator', code: 'SASL_SECRET' });
  });

  it('is tried again when nobody is at its address', async () => {
    expect(await refusal({ brokers: ['127.0.0.1:1'] })).toMatchObject({ fate: 'retry', code: 'ECONNREFUSED' });
  });
});
