import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import { taskState } from '../../agent/task-state.ts';
import { mendIdleTimer } from '../../agent/uplink/kafkajs-idle.ts';
import { kafkajs } from '../../agent/uplink/kafkajs.ts';
import { kafkaJars } from './jars.ts';

export interface BrokerTopic {
  readonly topic: string;
  readonly partitions?: number;
  /** Topic settings of Kafka, e.g. `{ 'max.message.bytes': '2000' }`. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface BrokerOptions {
  /** Folder of the broker's data and its log (`broker.log`); made if missing, kept afterwards. */
  readonly dir: string;
  /** Default: a free one. */
  readonly port?: number;
  readonly topics?: readonly BrokerTopic[];
  /** Further listeners on loopback, by name; the one named PLAINTEXT is always there. */
  readonly listeners?: Readonly<Record<string, { port: number; protocol: 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL' }>>;
  /** Further lines of `server.properties`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A real single-node Apache Kafka (KRaft) on loopback, in a process of its own that does not outlive this one. */
export interface Broker {
  readonly bootstrap: string;
  readonly pid: number | undefined;
  /** SIGTERM, then waits for its end. */
  stop(): Promise<void>;
  /** SIGKILL, then waits for its end. */
  kill(): Promise<void>;
  /** Again on the same port and data. Resolves when it answers. */
  start(): Promise<void>;
  /** SIGSTOP: connections stay open, nobody answers once this has returned. */
  pause(): void;
  resume(): void;
  createTopics(topics: readonly BrokerTopic[]): Promise<void>;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;
const setpriv = '/usr/bin/setpriv';

/** Rejects with the reason when this machine has no Java or the jars cannot be fetched: ask `kafkaJars` first to be gentle. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const jars = await kafkaJars();
  if ('missing' in jars) throw new Error(`Apache Kafka cannot be started: ${jars.missing}`);
  const port = options.port ?? (await freePort());
  const bootstrap = `127.0.0.1:${port}`;
  await mkdir(options.dir, { recursive: true });
  await prepare(options, port, await freePort());

  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const killAtExit = (): void => void child?.kill('SIGKILL');

  const start = async (): Promise<void> => {
    if (child !== undefined) return;
    const started = launch(options.dir, jars.classPath);
    child = started;
    process.on('exit', killAtExit);
    ended = new Promise((resolve) => {
      started.once('close', () => {
        child = undefined;
        process.off('exit', killAtExit);
        resolve();
      });
    });
    await answers(options.dir, port, () => child !== undefined);
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    child?.kill('SIGCONT');
    child?.kill(signal);
    const late = setTimeout(() => child?.kill('SIGKILL'), stopTimeoutMs);
    await ended;
    clearTimeout(late);
  };
  const createTopics = (topics: readonly BrokerTopic[]): Promise<void> => makeTopics(bootstrap, topics);

  try {
    await start();
    await createTopics(options.topics ?? []);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return {
    bootstrap,
    get pid() {
      return child?.pid;
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    start,
    pause: () => {
      child?.kill('SIGSTOP');
      if (child?.pid !== undefined) waitUntilStopped(child.pid);
    },
    resume: () => void child?.kill('SIGCONT'),
    createTopics,
  };
}

/** The signal stops a process of many threads only when one of them has taken it; on a busy machine the others answer meanwhile. */
function waitUntilStopped(pid: number): void {
  const tasks = `/proc/${pid}/task`;
  for (const deadlineMs = performance.now() + 5_000; performance.now() < deadlineMs;) {
    const states = existsSync(tasks) ? readdirSync(tasks).map((task) => taskState(`${tasks}/${task}`)) : [];
    // null: a thread that has ended meanwhile.
    if (states.every((state) => state === 'T' || state === null)) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

function launch(dir: string, classPath: string): ChildProcess {
  const java = ['java', '-Xms64m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
  const settings = [
    `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.yaml')}`,
    '-Djava.awt.headless=true',
  ];
  const command = [...java, ...settings, 'kafka.Kafka', join(dir, 'server.properties')];
  // The kernel ends the broker with us, also when we are killed and can clean up nothing.
  if (existsSync(setpriv)) command.unshift(setpriv, '--pdeathsig', 'KILL');
  const log = openSync(join(dir, 'broker.log'), 'a');
  try {
    const [file = 'java', ...parameters] = command;
    // In a session of its own: a terminal's Ctrl-C is for whoever started the broker, who may still want to read from it.
    return spawn(file, parameters, {
      env: { ...process.env, CLASSPATH: classPath },
      stdio: ['ignore', log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

/** What `kafka-storage format` would write, and the settings; a folder that has them keeps its cluster id. */
async function prepare(options: BrokerOptions, port: number, controllerPort: number): Promise<void> {
  const data = join(options.dir, 'data');
  await mkdir(data, { recursive: true });
  const meta = join(data, 'meta.properties');
  if (!existsSync(meta)) {
    const lines = ['version=1', `cluster.id=${base64Id()}`, 'node.id=1', `directory.id=${base64Id()}`];
    await writeFile(meta, `${lines.join('\n')}\n`);
  }
  const others = Object.entries(options.listeners ?? {});
  const outside = [`PLAINTEXT://127.0.0.1:${port}`, ...others.map(([name, at]) => `${name}://127.0.0.1:${at.port}`)];
  const protocols = [
    'PLAINTEXT:PLAINTEXT',
    'CONTROLLER:PLAINTEXT',
    ...others.map(([name, at]) => `${name}:${at.protocol}`),
  ];
  const settings: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: [...outside, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
    'advertised.listeners': outside.join(','),
    'listener.security.protocol.map': protocols.join(','),
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': data,
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
    // One small, busy machine: few threads; a session that outlives a starved second, lest the node fences itself off.
    'num.network.threads': '2',
    'num.io.threads': '2',
    'broker.session.timeout.ms': '2500',
    'broker.heartbeat.interval.ms': '200',
    'log.cleaner.dedupe.buffer.size': '4194304',
    'initial.broker.registration.timeout.ms': '30000',
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  await writeFile(join(options.dir, 'server.properties'), `${lines.join('\n')}\n`);
}

/** A Kafka Uuid: 16 bytes, URL-safe, never beginning with a dash (the tools would take it for an option). */
function base64Id(): string {
  const id = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
  return id.startsWith('-') ? base64Id() : id;
}

/** A node is up when it accepts connections, answers a request and leads every partition it holds. */
async function answers(dir: string, port: number, alive: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + startTimeoutMs;
  for (;;) {
    if (!alive()) throw new Error(`Apache Kafka ended while starting; its last words: ${await lastWords(dir)}`);
    if (Date.now() > deadlineMs)
      throw new Error(`Apache Kafka did not answer within ${startTimeoutMs / 1000} s: ${await lastWords(dir)}`);
    if ((await accepts(port)) && (await knowsItself(port))) return;
    await sleep(100);
  }
}

async function knowsItself(port: number): Promise<boolean> {
  const admin = quietClient(`127.0.0.1:${port}`).admin({ retry: { retries: 0 } });
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    if (brokers.length === 0 || controller === null) return false;
    for (const topic of await admin.listTopics()) await admin.fetchTopicOffsets(topic);
    return true;
  } catch {
    return false;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

async function makeTopics(bootstrap: string, topics: readonly BrokerTopic[]): Promise<void> {
  if (topics.length === 0) return;
  const admin = quietClient(bootstrap).admin({ retry: { retries: 10, initialRetryTime: 100 } });
  await admin.connect();
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: topics.map(({ topic, partitions = 1, config = {} }) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: 1,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      })),
    });
    for (const { topic } of topics) await led(admin, topic);
  } finally {
    await admin.disconnect();
  }
}

/** Metadata names the leader a moment before the leader knows it: only an answer about offsets proves that it takes records. */
async function led(admin: Admin, topic: string): Promise<void> {
  const deadlineMs = Date.now() + startTimeoutMs;
  for (;;) {
    try {
      await admin.fetchTopicOffsets(topic);
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw new Error(`no leader for topic ${topic}`, { cause: error });
    }
    await sleep(100);
  }
}

function quietClient(bootstrap: string): Kafka {
  mendIdleTimer();
  return new kafkajs.Kafka({ clientId: 'broker-starter', brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING });
}

async function lastWords(dir: string): Promise<string> {
  const text = await readFile(join(dir, 'broker.log'), 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-15).join('\n');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}

/** A TCP port of 127.0.0.1 that was free just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
