import { UplinkError } from '../errors.ts';
import type { Fate } from '../errors.ts';

/** The broker will never take what was sent as it is: the batch, or one record in it (produce v7 does not say which). */
const refused = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  // Besides damage on the way, the answer to a record that the broker cannot parse: sent again it passes, or it is poison.
  'CORRUPT_MESSAGE',
]);

/** Nothing gets better until a person changes the broker or the configuration. */
const operator = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'DELEGATION_TOKEN_AUTHORIZATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'SASL_AUTHENTICATION_FAILED',
  'SECURITY_DISABLED',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'INVALID_REQUIRED_ACKS',
  'INVALID_REQUEST',
  'INVALID_CONFIG',
  'POLICY_VIOLATION',
  'KafkaJSSASLAuthenticationError',
  'KafkaJSServerDoesNotSupportApiKey',
  'KafkaJSNotImplemented',
]);

/** OpenSSL's and Node's names for a peer whose certificate, protocol or key does not fit. */
const tlsTrouble =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|EPROTO$)/;

const advice: Readonly<Record<string, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'create the topic, or correct its name in `uplink.kafka.topics`',
  INVALID_TOPIC_EXCEPTION: 'correct its name in `uplink.kafka.topics`',
  TOPIC_AUTHORIZATION_FAILED: 'allow this user to Write and Describe the topic',
  CLUSTER_AUTHORIZATION_FAILED: 'allow this user IdempotentWrite on the cluster',
  SASL_AUTHENTICATION_FAILED: 'check `uplink.kafka.sasl`: mechanism, username, password',
  KafkaJSSASLAuthenticationError: 'check `uplink.kafka.sasl`: mechanism, username, password',
  UNSUPPORTED_SASL_MECHANISM: 'take a mechanism that the broker offers in `uplink.kafka.sasl`',
};

/** What kafkajs threw, as our error: by Kafka's error code or the class, never by the text. Anything unknown may pass by itself. */
export function uplinkErrorOf(thrown: unknown, doing: string): UplinkError {
  if (thrown instanceof UplinkError) return thrown;
  const { code, error } = rootOf(thrown);
  const fate = fateOf(code);
  const hint =
    advice[code] ?? (tlsTrouble.test(code) ? "check `uplink.kafka.tls` and the broker's certificate" : undefined);
  const text = error instanceof Error ? error.message : String(error);
  return new UplinkError(fate, code, `Kafka: ${doing}: ${text}${hint === undefined ? '' : `; ${hint}`}`, {
    cause: thrown,
  });
}

function fateOf(code: string): Fate {
  if (refused.has(code)) return 'refused';
  return operator.has(code) || tlsTrouble.test(code) ? 'operator' : 'retry';
}

/** kafkajs wraps what happened (retries exceeded, not retriable); the innermost error that names itself counts. */
function rootOf(thrown: unknown): { code: string; error: unknown } {
  let found: { code: string; error: unknown } = { code: 'UNKNOWN', error: thrown };
  for (let error = thrown, depth = 0; error instanceof Error && depth < 10; error = error.cause, depth++) {
    found = { code: nameOf(error), error };
  }
  return found;
}

function nameOf(error: Error): string {
  const { type, code } = error as { type?: unknown; code?: unknown };
  if (typeof type === 'string') return type;
  return typeof code === 'string' ? code : error.name;
}
