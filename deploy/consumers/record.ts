/** A reading as it stands in Kafka: flat, every key always there. `id` names it for ever; a second record of the same id is a repeat. */
export interface Reading {
  readonly id: string;
  readonly gateway: string;
  readonly site: string | null;
  readonly device: string;
  readonly asset: string | null;
  readonly serial: string | null;
  readonly point: string;
  readonly kind: 'counter' | 'gauge' | 'state' | 'text';
  readonly value: number | null;
  readonly text: string | null;
  readonly unit: string | null;
  readonly quality: 'good' | 'uncertain' | 'bad';
  readonly status: string;
  readonly time: string;
  readonly clock: 'synced' | 'unknown' | 'unsynced' | 'corrected';
  readonly slot: string | null;
  readonly map: string;
  readonly raw: string | null;
  readonly repeat: boolean;
}

/** An event as it stands in Kafka, with what its `facts` say. */
export interface GatewayEvent {
  readonly id: string;
  readonly gateway: string;
  readonly event: string;
  readonly device: string | null;
  readonly point: string | null;
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

/** undefined: it is no event. */
export function parseEvent(json: string | null): GatewayEvent | undefined {
  const found: Partial<GatewayEvent> | undefined = parseObject(json ?? '');
  const named = [found?.id, found?.gateway, found?.event].every((text) => typeof text === 'string');
  return named && typeof found?.facts === 'object' ? (found as GatewayEvent) : undefined;
}

/** A record of `asset-metadata`: what a device is, or (key with `@`) one of its register maps. */
export interface Description {
  readonly gateway: string;
  readonly device: string;
  readonly map: string | null;
  /** `decreases`: in register maps only. */
  readonly points: readonly { readonly point: string; readonly decreases?: boolean }[];
}

/** undefined: it is none. */
export function parseDescription(json: string | null): Description | undefined {
  const found: Partial<Description> | undefined = parseObject(json ?? '');
  const named = [found?.gateway, found?.device].every((text) => typeof text === 'string');
  return named && Array.isArray(found?.points) ? (found as Description) : undefined;
}

/** Hands on what is a reading; false: it is none. The caller must say so somewhere: a record that is skipped silently is lost. */
export function takingReadings(
  take: (reading: Reading) => void,
): (record: { readonly json: string | null }) => boolean {
  return ({ json }) => {
    const reading = parseReading(json ?? '');
    if (reading !== undefined) take(reading);
    return reading !== undefined;
  };
}

function parseReading(json: string): Reading | undefined {
  const reading: Partial<Reading> | undefined = parseObject(json);
  if (reading === undefined) return undefined;
  const named = [
    reading.id,
    reading.gateway,
    reading.device,
    reading.point,
    reading.kind,
    reading.quality,
    reading.time,
  ];
  const valued = reading.value === null || typeof reading.value === 'number';
  return valued && named.every((text) => typeof text === 'string') ? (reading as Reading) : undefined;
}

function parseObject(json: string): object | undefined {
  try {
    const found: unknown = JSON.parse(json);
    return typeof found === 'object' && found !== null ? found : undefined;
  } catch {
    return undefined;
  }
}
