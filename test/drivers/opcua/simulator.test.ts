import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttributeIds, OPCUAClient } from 'node-opcua-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../agent/config/grammar.ts';
import { LinkError } from '../../../agent/errors.ts';
import type { Observation } from '../../../agent/reading.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import type { Session } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { certificatesIn } from '../../../drivers/opcua/pki/certificate.ts';
import { PkiFolder } from '../../../drivers/opcua/pki/folder.ts';
import type { OpcUaPlan } from '../../../drivers/opcua/plan.ts';
import { simulation } from '../../../drivers/opcua/simulation.ts';
import { startSimulator } from '../../../drivers/opcua/simulator.ts';
import type { Simulator } from '../../../drivers/simulation.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;
const clock = systemClock({ source: timeSource('none'), builtAtMs: 0 });
const plc = (identifier: string): { nodeId: string } => ({ nodeId: `nsu=urn:site:plc;${identifier}` });
const polled = { mode: 'poll' } as const;

const tank = {
  id: 'PLC-1',
  points: {
    level: { ...plc('s=Tank.Level'), min: 0, max: 6, publishingInterval: 100 },
    raw_level: { ...plc('i=7'), scale: 0.01, offset: -1 },
    second: { ...plc('s=T'), index: [1] },
    fourth: { ...plc('s=T'), index: [3] },
    cell: { ...plc('s=M'), index: [1, 2] },
    total: { ...plc('g=09087e75-8e5e-499b-954f-f2a9603db28a'), kind: 'counter' as const, ...polled },
    energy: { ...plc('b=AQID'), kind: 'counter' as const, scale: 0.01, ...polled },
    mode: { ...plc('s=a;b=c/é'), kind: 'state' as const, enum: { '0': 'off', '7': 'automatic' } },
    running: { nodeId: 'ns=4;s=Running', kind: 'state' as const },
    alarm: { ...plc('s=Alarm'), kind: 'text' as const },
    by_path: { browsePath: '/nsu=urn:site:plc;Tank/nsu=urn:site:other;Inlet&/1' },
    clock: { nodeId: 'i=2258', kind: 'text' as const },
  },
};
const pump = { id: 'PLC-2', points: { speed: plc('s=Pump.Speed') } };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-simulated-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  clock.close();
});

function planAt(port: number, connection = {}): OpcUaPlan {
  return planOf(port, [tank, pump], { every: 100 }, { timeout: 5_000, ...connection });
}
const start = (port = 0, connection = {}): Promise<Simulator> =>
  startSimulator({ plan: planAt(1, { timeout: 500, ...connection }), host: '127.0.0.1', port, clock, seed: 1, folder });
const read = (session: Session, plan: OpcUaPlan, device = 'PLC-1'): Promise<readonly Observation[]> =>
  session.poll({ device, points: pointsOf(plan, device), dueMs: 0 }, AbortSignal.timeout(10_000));

describe('a simulated server', () => {
  let simulator: Simulator;
  let plan: OpcUaPlan;
  let listener: Listener;
  let session: Session;
  beforeAll(async () => {
    simulator = await start();
    plan = planAt(simulator.port);
  });
  afterAll(() => simulator.close());
  beforeEach(async () => {
    listener = new Listener();
    session = await driver.open(plan, listener, never);
  });
  afterEach(async () => {
    await session.close().catch(() => {});
    for (const device of ['PLC-1', 'PLC-2']) await simulator.fault(device, 'off');
  });

  it('has a good value for every point, and totals grow', async () => {
    const seen = await read(session, plan);
    expect(
      seen.filter(({ quality }) => quality !== 'good').map(({ point, status }) => `${point.point} ${status}`),
    ).toEqual([]);
    const value = (name: string, from = seen): Observation | undefined =>
      from.find(({ point }) => point.point === name);
    expect(value('level')?.value).toBeGreaterThan(0);
    expect(value('level')?.value).toBeLessThan(6);
    expect(value('second')?.value).not.toBe(value('fourth')?.value);
    expect(['off', 'automatic']).toContain(value('mode')?.text);
    expect(['true', 'false']).toContain(value('running')?.text);
    expect(value('alarm')?.text).toMatch(/\w/);
    // Scaled totals are whole numbers in the server.
    expect(value('energy')?.value).toBeCloseTo(Math.round((value('energy')?.value ?? 0) * 100) / 100, 9);
    await until(() => listener.of('level').length > 3);
    const later = await read(session, plan);
    expect(value('total', later)?.value).toBeGreaterThanOrEqual(value('total')?.value ?? Infinity);
    const times = listener.of('level').map(({ deviceTimeMs }) => deviceTimeMs ?? 0);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(Math.abs((times.at(-1) ?? 0) - Date.now())).toBeLessThan(2_000);
  });

  it('says what a PLC would of unit, range and names, to any client', async () => {
    const told = planOf(
      1,
      [
        {
          id: 'PLC-1',
          points: {
            level: { ...plc('s=Level'), min: 0, max: 6 },
            mode: { ...plc('s=Mode'), kind: 'state', enum: { '0': 'off', '7': 'automatic' } },
          },
        },
      ],
      { mode: 'subscribe' },
    );
    const withUnit = withUnitOf(told, 'm');
    const other = await startSimulator({ plan: withUnit, host: '127.0.0.1', port: 0, clock, seed: 1, folder });
    const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 } });
    try {
      await client.connect(`opc.tcp://127.0.0.1:${other.port}`);
      const bare = await client.createSession();
      const index = (await bare.readNamespaceArray()).indexOf('urn:site:plc');
      const property = async (node: string, name: string): Promise<unknown> => {
        const { targets } = await bare.translateBrowsePath({
          startingNode: `ns=${index};s=${node}`,
          relativePath: { elements: [{ targetName: { namespaceIndex: 0, name } }] },
        });
        const nodeId = targets?.[0]?.targetId;
        return nodeId && (await bare.read({ nodeId, attributeId: AttributeIds.Value })).value.value;
      };
      // MTR
      expect(await property('Level', 'EngineeringUnits')).toMatchObject({
        unitId: 5_067_858,
        displayName: { text: 'm' },
      });
      expect(await property('Level', 'EURange')).toMatchObject({ low: 0, high: 6 });
      expect(await property('Mode', 'EnumValues')).toMatchObject([
        { value: [0, 0], displayName: { text: 'off' } },
        { value: [0, 7], displayName: { text: 'automatic' } },
      ]);
      await bare.close();
    } finally {
      await client.disconnect();
      await other.close();
    }
  });

  it('gives the status that it is told to, to one device alone', async () => {
    await simulator.fault('PLC-1', 'bad:BadSensorFailure');
    expect(
      new Set((await read(session, plan)).filter(({ point }) => point.point !== 'clock').map(({ status }) => status)),
    ).toEqual(new Set(['BadSensorFailure']));
    expect((await read(session, plan, 'PLC-2'))[0]).toMatchObject({ quality: 'good' });
    await until(() => listener.of('level').at(-1)?.status === 'BadSensorFailure');
    await simulator.fault('PLC-1', 'bad:UncertainLastUsableValue');
    expect((await read(session, plan))[0]).toMatchObject({ quality: 'uncertain', value: expect.any(Number) as number });
    await simulator.fault('PLC-1', 'off');
    await until(() => listener.of('level').at(-1)?.status === 'Good');
  });

  it('loses the nodes of a device, and has them again', async () => {
    await simulator.fault('PLC-2', 'gone');
    expect((await read(session, plan, 'PLC-2'))[0]).toMatchObject({ status: 'BadNodeIdUnknown' });
    expect((await read(session, plan))[0]).toMatchObject({ status: 'Good' });
    await simulator.fault('PLC-2', 'off');
    expect((await read(session, plan, 'PLC-2'))[0]).toMatchObject({ status: 'Good' });
  });

  it('falls silent as a whole, answers late, and answers again', async () => {
    const hasty = planAt(simulator.port, { timeout: 500 });
    for (const fault of ['silent', 'late']) {
      const other = await driver.open(hasty, new Listener(), never);
      await simulator.fault('PLC-2', fault);
      expect(simulator.stats().devices).toMatchObject({ 'PLC-1': { fault }, 'PLC-2': { fault } });
      expect((await read(other, hasty))[0]).toMatchObject({ status: 'BadTimeout' });
      await simulator.fault('PLC-1', 'off');
      await other.close();
      expect((await read(session, plan))[0]).toMatchObject({ status: 'Good' });
    }
  });

  it('stops publishing while it answers reads', async () => {
    await until(() => listener.of('level').length > 1);
    await simulator.fault('PLC-1', 'deaf');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { length } = listener.seen;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect((await read(session, plan))[0]).toMatchObject({ status: 'Good' });
    expect(listener.seen.length).toBe(length);
  });

  it('lets nobody in until told otherwise', async () => {
    await simulator.fault('PLC-1', 'refuse');
    expect(await session.ended).toBeInstanceOf(LinkError);
    await expect(driver.open(plan, new Listener(), never)).rejects.toThrow(/ECONNREFUSED/);
    await simulator.fault('PLC-1', 'off');
    session = await driver.open(plan, listener, never);
    expect((await read(session, plan))[0]).toMatchObject({ status: 'Good' });
  });

  it('begins anew on the same port, with totals that go on', async () => {
    const total = async (): Promise<number> =>
      (await read(session, plan)).find(({ point }) => point.point === 'total')?.value ?? -1;
    const before = await total();
    await simulator.fault('PLC-1', 'restart');
    expect(await session.ended).toBeInstanceOf(LinkError);
    session = await driver.open(plan, listener, never);
    expect(await total()).toBeGreaterThanOrEqual(before);
    expect(simulator.stats().devices['PLC-1']?.fault).toBe('off');
  });

  it('says that its port is taken', async () => {
    await expect(start(simulator.port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('refuses what it does not know', async () => {
    await expect(simulator.fault('PLC-1', 'slow')).rejects.toThrow('no fault "slow"; there are: silent, late, deaf');
    await expect(simulator.fault('PLC-9', 'silent')).rejects.toThrow('no device "PLC-9" here; there are: PLC-1, PLC-2');
    await expect(simulator.fault('PLC-1', 'bad:Bad')).resolves.toBeUndefined();
    expect(() => simulation.refuseUnknownFault('bad:Rotten')).toThrow('no status "Rotten"');
    expect(() => simulation.refuseUnknownFault('bad:Good')).toThrow('no status "Good"');
    await expect(startSimulator({ plan, host: '10.0.0.1', port: 0, clock, seed: 1, folder })).rejects.toThrow(
      'loopback only',
    );
  });
});

it('wants the security and the user that the configuration states, takes any password, and shows one certificate in every run', async () => {
  const secured = (username: string): object => ({
    securityMode: 'SignAndEncrypt',
    username,
    password: new Secret('not-read'),
  });
  const home = { gateway: 'ps-12', stateDir: mkdtempSync(join(folder, 'state-')), file: 'site.json' };
  const listener = Object.assign(new Listener(), { home });
  const open = (port: number, username: string): Promise<Session> =>
    driver.open(planAt(port, secured(username)), listener, never);
  for (let run = 0; run < 2; run++) {
    const simulator = await start(0, secured('ana'));
    try {
      const pki = new PkiFolder(home.stateDir);
      if (run === 0) {
        await expect(open(simulator.port, 'ana')).rejects.toThrow(/"Sluice simulated server".*sluice pki trust/);
        for (const certificate of certificatesIn(readFileSync(simulator.certificate ?? '')))
          await pki.trust(certificate);
        await expect(open(simulator.port, 'eve')).rejects.toThrow(/BadUserAccessDenied|BadIdentityTokenRejected/);
        await expect(driver.open(planAt(simulator.port), listener, never)).rejects.toThrow(/anonymous/);
      }
      const session = await open(simulator.port, 'ana');
      expect((await read(session, planAt(1)))[0]).toMatchObject({ quality: 'good' });
      await session.close();
    } finally {
      await simulator.close();
    }
  }
  expect(statSync(join(folder, 'pki/own/private/private_key.pem')).mode & 0o777).toBe(0o600);
});

/** With a unit, as the configuration would state it. */
function withUnitOf(plan: OpcUaPlan, unit: string): OpcUaPlan {
  return {
    ...plan,
    devices: plan.devices.map((device) => ({
      ...device,
      points: device.points.map((point) => ({ ...point, info: { ...point.info, unit } })),
    })),
  };
}
