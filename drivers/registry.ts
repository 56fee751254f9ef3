import type { Driver, DriverSchema } from './driver.ts';
import { modbusSchema } from './modbus/schema.ts';
import { faultNames as modbusFaults } from './modbus/simulated-faults.ts';
import { opcuaSchema } from './opcua/schema.ts';
import { faultNames as opcuaFaults } from './opcua/simulated-faults.ts';
import type { PkiTools } from './pki.ts';
import type { Simulation } from './simulation.ts';
import type { Tools } from './tools.ts';

/** One family of drivers: its schema is at hand, its code comes when a connection needs it. */
export interface DriverEntry {
  readonly schema: DriverSchema;
  readonly load: () => Promise<Driver>;
  /** For `sluice probe` and `sluice scan`: which URLs are its own, and what asks there. */
  readonly tools?: { readonly schemes: readonly string[]; readonly load: () => Promise<Tools> };
  /** For `sluice pki`: it has certificates. */
  readonly pki?: () => Promise<PkiTools>;
  /** For `sluice simulate`: the faults that its simulated devices can have, and what serves them. */
  readonly simulation?: { readonly faults: readonly string[]; readonly load: () => Promise<Simulation> };
}

export interface Registry {
  readonly families: readonly DriverEntry[];
  /** Drivers that a later version brings: refused by name, so that nobody looks for a typing mistake. */
  readonly notYet: readonly string[];
}

/** A driver is its folder and one line here. */
export const registry: Registry = {
  families: [
    {
      schema: modbusSchema,
      load: async () => (await import('./modbus/index.ts')).driver,
      tools: {
        schemes: ['modbus', 'modbus+rtu', 'modbus+rtu+tcp'],
        load: async () => (await import('./modbus/tools/index.ts')).tools,
      },
      simulation: { faults: modbusFaults, load: async () => (await import('./modbus/simulation.ts')).simulation },
    },
    {
      schema: opcuaSchema,
      load: async () => (await import('./opcua/index.ts')).driver,
      pki: async () => (await import('./opcua/pki/tools.ts')).pki,
      tools: {
        schemes: ['opc.tcp'],
        load: async () => (await import('./opcua/tools/index.ts')).tools,
      },
      simulation: { faults: opcuaFaults, load: async () => (await import('./opcua/simulation.ts')).simulation },
    },
  ],
  notYet: ['mqtt'],
};

/** The family that serves a connection's `driver`. */
export function driverFor(name: string, from: Registry = registry): DriverEntry | undefined {
  return from.families.find(({ schema }) => Object.hasOwn(schema.connections, name));
}
