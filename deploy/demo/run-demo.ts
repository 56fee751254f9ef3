import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, Children } from './children.ts';
import { GrowingFile } from './growing-file.ts';
import { type Verdict, judge, named } from './judge.ts';
import { type Booked, type Latest, Onlooker, type Register, booked, latest, registers } from './ledgers.ts';
import type { DemoOptions } from './options.ts';
import type { Show } from './show.ts';
import { type Station, writeStation } from './station.ts';
import { Tap } from './tap.ts';
import { type Choice, type DemoUplink, openUplink } from './uplink.ts';
import { type View, count } from './view.ts';

const tickMs = 200;
/** A device that has not answered for so long is shown as silent; the slowest is asked every 5 s. */
const silentAfterMs = 12_000;
const catchUpMs = 45_000;
const ledgerRows = 'select count(*) as n from ledger';
const readingsSeen = 'select count(*) as n from seen';
const recordsKept = 'select count(*) as n from records';
/** The consumers, and which stream each reads. */
const consumers = [
  ['finance', 'meter-readings'],
  ['reporting', 'sensor-values'],
  ['asset-register', 'asset-metadata'],
] as const;
const consumedStreams: readonly string[] = consumers.map(([, stream]) => stream);

export type DemoRun = Omit<DemoOptions, 'dir' | 'keep'> & { readonly dir: string; readonly choice: Choice };

/**
 * Until the time is up or `signal` fires; then the audit, unless `hurry` fires. Rejects when that or a part of the demo fails. Leaves no
 * process behind.
 */
export async function runDemo(options: DemoRun, show: Show, signal: AbortSignal, hurry: AbortSignal): Promise<Verdict> {
  const children = new Children(options.dir);
  let target: DemoUplink | undefined;
  try {
    if (options.choice.kind === 'own') show.tell('Starting Apache Kafka.');
    target = await openUplink(options.choice, options.dir);
    const demo = new Demo(options, show, children, target);
    const whole = async (): Promise<Verdict> => {
      await demo.start();
      await demo.watch(signal);
      show.settle();
      return demo.audit();
    };
    return await Promise.race([whole(), fired(hurry)]);
  } finally {
    await children.killAll();
    await target?.close();
  }
}

class Demo {
  readonly #options: DemoRun;
  readonly #show: Show;
  readonly #children: Children;
  readonly #target: DemoUplink;
  readonly #tap: Tap;
  readonly #finance: Onlooker;
  readonly #reporting: Onlooker;
  readonly #register: Onlooker;
  readonly #answeredMs = new Map<string, { answers: number; lastMs: number }>();
  #station: Station = { gateway: '', site: '', devices: [] };
  #running: Child[] = [];
  #simulatorOutput: GrowingFile | undefined;
  #isStopped = false;
  /** Records that were accepted before the broker came back; null: all of them have arrived. */
  #backlog: number | null = null;
  #startedMs = Date.now();

  constructor(options: DemoRun, show: Show, children: Children, target: DemoUplink) {
    this.#options = options;
    this.#show = show;
    this.#children = children;
    this.#target = target;
    this.#tap = new Tap(this.#path('tap'));
    this.#finance = new Onlooker(this.#path('finance.db'));
    this.#reporting = new Onlooker(this.#path('reporting.db'));
    this.#register = new Onlooker(this.#path('asset-register.db'));
  }

  async start(): Promise<void> {
    const [asked, configuration] = [this.#path('station.json'), this.#path('sluice.json')];
    this.#station = writeStation(asked, this.#path('state'), this.#target.uplink);
    const { devices, site } = this.#station;
    const simulator = this.#begin('simulator', 'agent/main', ['simulate', asked, '--write', configuration, '--json']);
    const output = new GrowingFile(simulator.log);
    this.#simulatorOutput = output;
    for (const [consumer, stream] of consumers) {
      const source = this.#target.source(consumer, stream);
      this.#begin(consumer, `deploy/consumers/${consumer}`, [...source, '--db', this.#path(`${consumer}.db`)]);
    }
    await this.#until(20_000, 'the simulated devices to be ready', () =>
      output.lines().some((line) => line.includes('"event":"ready"')),
    );
    this.#show.tell(`${site}: ${devices.length} devices simulated on this machine.`);
    this.#begin('gateway', 'agent/main', ['run', configuration, '--tap', this.#path('tap')]);
    await this.#until(20_000, 'the gateway to accept its first reading', () => {
      this.#tap.readOn();
      return this.#tap.count(consumedStreams) > 0;
    });
    this.#show.tell('The gateway polls, keeps and forwards; finance, reporting and the asset register read.');
    this.#startedMs = Date.now();
  }

  async watch(signal: AbortSignal): Promise<void> {
    const { seconds } = this.#options;
    const outage = this.#outage(signal);
    outage.catch(() => undefined); // it is awaited below
    while (!signal.aborted && this.#elapsedSeconds() < (seconds ?? Infinity)) {
      this.#tick();
      if (this.#backlog !== null && this.#arrived() >= this.#backlog) {
        this.#show.tell('All that was accepted during the outage has arrived.');
        this.#backlog = null;
      }
      this.#show.update(() => this.#view());
      await sleep(tickMs, undefined, { signal }).catch(() => undefined);
    }
    await outage;
  }

  /** Stops the gateway, then asks the tap, the topics and the consumers' databases what came of its readings. */
  async audit(): Promise<Verdict> {
    const { broker } = this.#target;
    await broker?.start();
    this.#tap.readOn();
    const accepted = this.#tap.count(consumedStreams);
    const waiting = accepted - this.#arrived();
    if (waiting > 0) this.#show.tell(`Ending; ${count(waiting)} records are still on their way.`);
    await this.#until(catchUpMs, '', () => this.#arrived() >= accepted).catch(() => undefined);

    const problems: string[] = [];
    const gateway = await this.#end('gateway');
    if (gateway.code !== 0) problems.push(`the gateway ended with ${gateway.code}; see ${gateway.log}`);
    this.#show.tell('The gateway has stopped. Counting what came of its readings.');
    this.#tap.readOn();
    const records = await this.#target.records();
    const inTopic = new Set(named(records.filter(({ stream }) => consumedStreams.includes(stream))).map(({ id }) => id))
      .size;
    await this.#until(15_000, '', () => this.#arrived() >= inTopic).catch(() => undefined);
    for (const [consumer] of consumers) {
      const { code, log } = await this.#end(consumer);
      if (code !== 0) problems.push(`${consumer} ended with ${code}; see ${log}`);
    }
    const verdict = judge({
      gateway: this.#station.gateway,
      accepted: this.#tap.accepted,
      records,
      consumed: {
        'meter-readings': { consumer: 'finance', rows: this.#finance.count(ledgerRows) },
        'sensor-values': { consumer: 'reporting', rows: this.#reporting.count(readingsSeen) },
        'asset-metadata': { consumer: 'asset-register', rows: this.#register.count(recordsKept) },
      },
    });
    this.#finance.close();
    this.#reporting.close();
    this.#register.close();
    return { ...verdict, problems: [...verdict.problems, ...problems] };
  }

  #path(name: string): string {
    return join(this.#options.dir, name);
  }

  #begin(name: string, program: string, args: readonly string[]): Child {
    const child = this.#children.start(name, program, args);
    this.#running.push(child);
    return child;
  }

  #child(name: string): Child {
    const found = this.#running.find((child) => child.name === name);
    if (found === undefined) throw new Error(`${name} was never started`);
    return found;
  }

  /** From here on nobody minds that it does not run. */
  async #end(name: string): Promise<{ code: number | null; log: string }> {
    const child = this.#child(name);
    this.#running = this.#running.filter((each) => each !== child);
    return { code: await child.stop(8_000), log: child.log };
  }

  /** Throws when a part of the demo has ended by itself. */
  #tick(): void {
    for (const { name, process: own, log } of this.#running) {
      if (own.exitCode === null && own.signalCode === null) continue;
      throw new Error(
        `${name} ended by itself (${own.exitCode ?? own.signalCode}); its last words:\n${lastWords(log)}`,
      );
    }
    this.#tap.readOn();
    this.#child('simulator').process.stdin?.write('stats\n');
    for (const line of this.#simulatorOutput?.lines() ?? []) if (line.startsWith('{"event":"stats"')) this.#heard(line);
  }

  #heard(line: string): void {
    const { devices } = JSON.parse(line) as { devices: Record<string, { answered: number }> };
    for (const [id, { answered: answers }] of Object.entries(devices)) {
      if (answers > (this.#answeredMs.get(id)?.answers ?? 0)) this.#answeredMs.set(id, { answers, lastMs: Date.now() });
    }
  }

  async #outage(signal: AbortSignal): Promise<void> {
    const { outage } = this.#options;
    const { broker } = this.#target;
    if (outage === null || broker === null) return;
    const at = (seconds: number): Promise<void> =>
      sleep((seconds - this.#elapsedSeconds()) * 1000, undefined, { signal }).catch(() => undefined);
    await at(outage.fromSeconds);
    if (signal.aborted) return;
    this.#show.tell('OUTAGE: the broker is stopped. The meters are read on; what they say waits on disk.');
    this.#isStopped = true;
    await broker.stop();
    await at(outage.toSeconds);
    this.#show.tell('The broker is started again, on the same data.');
    await broker.start();
    this.#isStopped = false;
    this.#show.tell('The broker answers.');
    this.#tap.readOn();
    this.#backlog = this.#tap.count(consumedStreams);
  }

  /** Throws when it takes too long, or a part of the demo ends meanwhile. An empty `what`: nobody will read the reason. */
  async #until(withinMs: number, what: string, isSo: () => boolean): Promise<void> {
    const deadlineMs = Date.now() + withinMs;
    while (!isSo()) {
      if (Date.now() > deadlineMs) throw new Error(`waited ${withinMs / 1000} s for ${what}`);
      for (const { name, process: own, log } of this.#running) {
        if (own.exitCode !== null) throw new Error(`${name} ended (${own.exitCode}):\n${lastWords(log)}`);
      }
      await sleep(tickMs);
    }
  }

  #arrived(): number {
    return this.#finance.count(ledgerRows) + this.#reporting.count(readingsSeen) + this.#register.count(recordsKept);
  }

  #elapsedSeconds(): number {
    return (Date.now() - this.#startedMs) / 1000;
  }

  #view(): View {
    const timeMs = Date.now();
    const answering = [...this.#answeredMs].filter(([, { lastMs }]) => timeMs - lastMs < silentAfterMs);
    const kafka = this.#isStopped ? 'Kafka is STOPPED' : 'Kafka is up';
    return {
      station: this.#station,
      timeMs,
      elapsedSeconds: this.#elapsedSeconds(),
      seconds: this.#options.seconds,
      uplink: this.#options.choice.kind === 'file' ? 'file' : kafka,
      answering: new Set(answering.map(([id]) => id)),
      accepted: this.#tap.count(consumedStreams),
      arrived: this.#arrived(),
      ledgerRows: this.#finance.count(ledgerRows),
      gaps: this.#finance.count('select count(*) as n from gaps'),
      booked: this.#finance.rows<Booked>(booked),
      seen: this.#reporting.count(readingsSeen),
      latest: this.#reporting.rows<Latest>(latest),
      assets: this.#register.count('select count(*) as n from assets'),
      registers: this.#register.rows<Register>(registers),
      news: this.#show.news,
    };
  }
}

function fired(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

function lastWords(log: string): string {
  return new GrowingFile(log).lines().slice(-8).join('\n');
}
