import type { Secret } from '../../agent/config/grammar.ts';
import type { Kind } from '../../agent/reading.ts';
import type { PlannedConnection, Report, Settings } from '../driver.ts';
import { parseBrowsePath } from './browse-path.ts';
import { defaults } from './defaults.ts';
import { endpointUrl } from './endpoint.ts';
import { parseNodeId } from './node-id.ts';
import type { Identity, OpcUaPlan, OpcUaPoint, Place, SecurityMode, SecurityPolicy, Subscribed } from './plan.ts';

interface ConnectionSettings {
  readonly endpoint: string;
  readonly securityMode?: SecurityMode;
  readonly securityPolicy?: SecurityPolicy;
  readonly username?: string;
  readonly password?: Secret;
  readonly allowUnencryptedPassword?: boolean;
  readonly userCertificate?: string;
  readonly userKey?: string;
  readonly timeout?: number;
}

interface PointSettings {
  readonly nodeId?: string;
  readonly browsePath?: string;
  readonly index?: readonly number[];
  readonly mode?: 'subscribe' | 'poll';
  readonly publishingInterval?: number;
  readonly queueSize?: number;
  readonly serverDeadband?: NonNullable<Subscribed['deadband']>;
  readonly scale?: number;
  readonly offset?: number;
  readonly min?: number;
  readonly max?: number;
  readonly enum?: Readonly<Record<string, string>>;
  readonly every: number;
}

type PlannedPoint = PlannedConnection['devices'][number]['points'][number];

/** Keys that say something of points of the other mode only. */
const ofSubscribed = ['queueSize', 'serverDeadband', 'publishingInterval'] as const;
const ofPolled = ['within', 'at'] as const;

type Told = (severity: 'error' | 'warning', key: string | null, message: string) => void;

/** Counters are polled unless stated: they need one record for each of their times. */
export function isSubscribed(point: Settings, kind: Kind): boolean {
  return (point['mode'] ?? (kind === 'counter' ? 'poll' : 'subscribe')) === 'subscribe';
}

/** Defaults filled in, contradictions told. The caller freezes it. */
export function buildPlan(connection: PlannedConnection, report: Report): OpcUaPlan {
  const settings = connection.settings as unknown as ConnectionSettings;
  const wrong = connection.wrong ?? new Set();
  const tell: Told = (severity, key, message) => report(severity, { device: null, point: null, key }, message);
  return {
    connection: connection.id,
    endpoint: endpointUrl(settings.endpoint ?? '') ?? '',
    ...securityOf(settings, wrong, tell),
    identity: identityOf(settings, wrong, tell),
    timeoutMs: settings.timeout ?? defaults.timeoutMs,
    devices: connection.devices.map(({ id, points }) => ({
      id,
      points: points.flatMap((point) => {
        const { info } = point;
        const said: Told = (severity, key, message) =>
          report(severity, { device: id, point: info.point, key }, message);
        return buildPoint(point, said) ?? [];
      }),
    })),
  };
}

function securityOf(
  settings: ConnectionSettings,
  wrong: ReadonlySet<string>,
  tell: Told,
): Pick<OpcUaPlan, 'securityMode' | 'securityPolicy'> {
  const { securityPolicy: stated } = settings;
  const securityMode = settings.securityMode ?? defaults.securityMode;
  if (wrong.has('securityMode') || wrong.has('securityPolicy')) return { securityMode, securityPolicy: 'None' };
  if (securityMode === 'None') {
    if (stated !== undefined && stated !== 'None')
      tell(
        'error',
        'securityPolicy',
        `securityPolicy is "${stated}"; it needs "securityMode": "Sign" or "SignAndEncrypt" beside it`,
      );
    else
      tell(
        'warning',
        settings.securityMode === undefined ? null : 'securityMode',
        'securityMode is None; nothing is signed or encrypted, so anybody on the network can read the values and pretend to be the server',
      );
    return { securityMode, securityPolicy: 'None' };
  }
  if (stated === 'None')
    tell(
      'error',
      'securityPolicy',
      `securityPolicy is "None"; "securityMode": "${securityMode}" needs another; drop it for ${defaults.securityPolicy}`,
    );
  return { securityMode, securityPolicy: stated ?? defaults.securityPolicy };
}

function identityOf(settings: ConnectionSettings, wrong: ReadonlySet<string>, tell: Told): Identity {
  const { username, password, allowUnencryptedPassword, userCertificate, userKey } = settings;
  if (['username', 'password', 'userCertificate', 'userKey'].some((key) => wrong.has(key)))
    return { type: 'anonymous' };
  if (username !== undefined && userCertificate !== undefined)
    tell(
      'error',
      'userCertificate',
      'userCertificate stands beside username; drop one of the two: a session has one user',
    );
  if (username !== undefined && password === undefined)
    tell('error', 'username', 'username has no password beside it; add "password": "${file:PATH}"');
  if (password !== undefined && username === undefined)
    tell('error', 'password', 'password has no username beside it; add it, or drop password');
  if ((userCertificate === undefined) !== (userKey === undefined))
    tell(
      'error',
      userCertificate === undefined ? 'userKey' : 'userCertificate',
      'userCertificate and userKey belong together; add the other one',
    );
  if (allowUnencryptedPassword !== undefined && username === undefined)
    tell('error', 'allowUnencryptedPassword', 'allowUnencryptedPassword has no username beside it; drop it');
  if (username !== undefined && password !== undefined) {
    if (!wrong.has('allowUnencryptedPassword') && !wrong.has('securityMode')) judgeClear(settings, tell);
    return { type: 'userName', username, password, mayBeClear: allowUnencryptedPassword === true };
  }
  if (userCertificate !== undefined && userKey !== undefined)
    return { type: 'certificate', cert: userCertificate, key: userKey };
  return { type: 'anonymous' };
}

/** What a server takes is not known before it is asked: without security the file has to say what may happen. */
function judgeClear(
  { securityMode = defaults.securityMode, allowUnencryptedPassword }: ConnectionSettings,
  tell: Told,
): void {
  if (securityMode === 'None' && allowUnencryptedPassword === undefined)
    tell(
      'error',
      'password',
      'securityMode is None, so password may go over the network unencrypted; set securityMode to SignAndEncrypt, or say what is allowed: "allowUnencryptedPassword": false (it goes only to a server that takes it encrypted all the same) or true (anybody on the network may read it)',
    );
  if (allowUnencryptedPassword !== true) return;
  if (securityMode === 'SignAndEncrypt')
    tell(
      'error',
      'allowUnencryptedPassword',
      'allowUnencryptedPassword is true; with "securityMode": "SignAndEncrypt" all is encrypted; drop it',
    );
  else
    tell(
      'warning',
      'allowUnencryptedPassword',
      'allowUnencryptedPassword is true; where the server does not take the password encrypted, anybody on the network can read it; set securityMode to SignAndEncrypt',
    );
}

function buildPoint({ info, settings: all, stated, pushed }: PlannedPoint, tell: Told): OpcUaPoint | undefined {
  const settings = all as unknown as PointSettings;
  const node = placeOf(settings, tell);
  const subscribed = pushed ?? isSubscribed(all, info.kind);
  const own = stated ?? new Set(Object.keys(all));
  const isSerial = pushed === false && isSubscribed(all, info.kind);
  for (const key of subscribed ? ofPolled : ofSubscribed) {
    if (!own.has(key)) continue;
    const message = isSerial
      ? `${key} is for subscribed points; a serial number is read at connect and daily; drop ${key}`
      : subscribed
        ? `${key} is for points that are read at their times, this one is subscribed; write "mode": "poll", or drop ${key}`
        : `${key} is for subscribed points, this one is polled; write "mode": "subscribe", or drop ${key}`;
    tell('error', key, message);
  }
  if (node === undefined) return undefined;
  const { scale = 1, offset = 0, min = null, max = null, enum: names = null, index = null } = settings;
  return {
    info,
    node,
    index,
    subscribed: subscribed ? subscribedOf(settings) : null,
    rules: { enum: names, scale, offset, min, max },
  };
}

function subscribedOf({ every, publishingInterval, queueSize, serverDeadband }: PointSettings): Subscribed {
  const publishingMs = publishingInterval ?? defaults.publishingIntervalMs;
  return {
    samplingMs: every,
    publishingMs,
    // What is sampled between two publishings, twice over: a server that is late must not drop any.
    queueSize: queueSize ?? Math.max(defaults.leastQueueSize, Math.ceil((2 * publishingMs) / every)),
    deadband: serverDeadband ?? null,
  };
}

function placeOf({ nodeId, browsePath }: PointSettings, tell: Told): Place | undefined {
  if (nodeId !== undefined && browsePath !== undefined)
    tell('error', 'browsePath', 'browsePath stands beside nodeId; both say where the value is; drop one of the two');
  if (nodeId !== undefined) {
    const parsed = parseNodeId(nodeId);
    if (parsed === undefined) return undefined;
    if (parsed.uri === null && parsed.index > 0)
      tell(
        'warning',
        'nodeId',
        `nodeId is "${nodeId}"; namespace ${parsed.index} may mean another one after the server was changed; name it by its URI, "nsu=…;${parsed.identifier}" (sluice browse shows it)`,
      );
    return { nodeId: parsed, text: nodeId };
  }
  const steps = browsePath === undefined ? undefined : parseBrowsePath(browsePath);
  if (browsePath === undefined || steps === undefined) {
    tell('error', null, 'nodeId is missing; add "nodeId": "nsu=URI;s=NAME" (sluice browse shows it), or a browsePath');
    return undefined;
  }
  return { browsePath: steps, text: browsePath };
}
