import * as v from 'valibot';
import { allowed, doc, duration, durationText, file, flag, oneOf, secret, text } from '../../agent/config/grammar.ts';
import type { DriverSchema } from '../driver.ts';
import { buildPlan, isSubscribed } from './build-plan.ts';
import { defaults } from './defaults.ts';
import { demandOf } from './demand.ts';
import { splitEndpoint } from './endpoint.ts';
import { securityModes, securityPolicies } from './plan.ts';
import type { OpcUaPlan, OpcUaPoint } from './plan.ts';
import { pointEntries } from './schema-point.ts';

function endpoint() {
  const message = allowed('opc.tcp://HOST:PORT, with a path if the server has one, e.g. "opc.tcp://10.12.0.5:4840"');
  return v.pipe(
    text(1024),
    v.check((value) => splitEndpoint(value) !== undefined, message),
  );
}

function policy() {
  const message = allowed(securityPolicies.join(', '));
  const withdrawn: ReadonlySet<unknown> = new Set(['Basic128Rsa15', 'Basic256']);
  return v.picklist(securityPolicies, ({ input }) =>
    withdrawn.has(input)
      ? `the standard has withdrawn it: it rests on SHA-1, which can be forged; ${message}`
      : message,
  );
}

/** Keys that stand in connection, device and point; the nearest one holds. */
const inherited = {
  publishingInterval: v.optional(
    doc(
      duration({ minMs: 50, maxMs: 3_600_000 }),
      'How often the server sends what its subscribed points have become. Points of one interval share a subscription. A subscription that has nothing to say is to show that it lives every 5s, or once an interval where that is longer; after a minute of silence the server is asked each minute whether it still has it.',
      { default: durationText(defaults.publishingIntervalMs), examples: ['5s'] },
    ),
  ),
};

const connection = {
  endpoint: doc(endpoint(), 'Where the server listens. Its port is 4840 unless stated.', {
    examples: ['opc.tcp://10.12.0.5:4840'],
  }),
  securityMode: v.optional(
    doc(
      oneOf(securityModes),
      'Whether what goes over the network is signed and encrypted. With `None` anybody on the network can read it and pretend to be the server.',
      { default: defaults.securityMode, examples: ['SignAndEncrypt'] },
    ),
  ),
  securityPolicy: v.optional(
    doc(policy(), 'The algorithms for that. `None` with `"securityMode": "None"`.', {
      default: defaults.securityPolicy,
    }),
  ),
  username: v.optional(doc(text(), 'User name at the server. Nobody (anonymous) unless stated.')),
  password: v.optional(doc(secret(), 'Its password.', { examples: ['${file:/etc/sluice/secrets/plc}'] })),
  allowUnencryptedPassword: v.optional(
    doc(
      flag(),
      'Whether the password may go over the network unencrypted, so that anybody on it can read it. To be stated with `"securityMode": "None"`: `false` for a server that takes the password encrypted all the same, `true` for one that does not. Unless it is `true`, no password is sent so: the connection is refused instead.',
      { examples: [false] },
    ),
  ),
  userCertificate: v.optional(
    doc(file(), 'Instead of a user name: the certificate of the user, PEM.', {
      examples: ['/etc/sluice/plc-user.pem'],
    }),
  ),
  userKey: v.optional(doc(file(), 'The private key of `userCertificate`, PEM, without a passphrase.')),
  timeout: v.optional(
    doc(duration({ minMs: 100, maxMs: 60_000 }), 'How long the answer to one request is waited for.', {
      default: durationText(defaults.timeoutMs),
      examples: ['10s'],
    }),
  ),
  ...inherited,
};

export const opcuaSchema: DriverSchema<OpcUaPlan> = {
  family: 'opcua',
  connections: { opcua: connection },
  device: { ...inherited },
  point: { ...pointEntries, ...inherited },
  inherited: Object.keys(inherited),
  alternatives: [['nodeId', 'browsePath']],
  saysUnits: true,
  kindOf: (point) => (point['enum'] === undefined ? 'gauge' : 'state'),
  isPushed: isSubscribed,
  linkOf: (_driver, { endpoint: url }) => ({ name: url as string, shared: 'warning' }),
  plan: buildPlan,
  demandOf,
  describe(plan, { device, point: name }) {
    const points = plan.devices.find(({ id }) => id === device)?.points;
    const point = points?.find(({ info }) => info.point === name);
    return { where: point === undefined ? '' : placeText(point), keepsRaw: false, timeoutMs: plan.timeoutMs };
  },
  registersOf(plan, device) {
    const points = plan.devices.find(({ id }) => id === device)?.points ?? [];
    return Object.fromEntries(points.map((point) => [point.info.point, mapOf(point)]));
  },
};

/** `ns=2;s=Flow`, `/2:Pump/2:Speed [0,3]`: as the file names the place, with the index in an array. */
export function placeText({ node, index }: OpcUaPoint): string {
  return index === null ? node.text : `${node.text} [${index.join(',')}]`;
}

/** Where the value is and what is made of it, without how often and in which way it comes. */
function mapOf({ node, index, rules }: OpcUaPoint): Record<string, unknown> {
  const { enum: names, min, max, ...always } = rules;
  return {
    ...('nodeId' in node ? { nodeId: node.text } : { browsePath: node.text }),
    ...(index === null ? {} : { index }),
    ...always,
    ...(names === null ? {} : { enum: names }),
    ...(min === null ? {} : { min }),
    ...(max === null ? {} : { max }),
  };
}
