import Database from 'better-sqlite3';

/** A consumer's database as an onlooker sees it; empty until the consumer has made it. */
export class Onlooker {
  readonly #file: string;
  #db: Database.Database | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  rows<Row>(query: string): Row[] {
    try {
      this.#db ??= new Database(this.#file, { readonly: true, fileMustExist: true });
      return this.#db.prepare<[], Row>(query).all();
    } catch (error) {
      if (!(error instanceof Error && /no such table|does not exist|unable to open/.test(error.message))) throw error;
      return [];
    }
  }

  count(query: string): number {
    return this.rows<{ n: number }>(query)[0]?.n ?? 0;
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}

export interface Booked {
  readonly device: string;
  readonly point: string;
  readonly slot: string;
  readonly used: number | null;
  readonly unit: string | null;
  /** The register map that finance found in the reading. */
  readonly map: string;
}

export const booked = `select device, point, max(slot) as slot, used, consumption.unit, ledger.map
  from consumption join ledger using (gateway, device, point, slot) group by device, point`;

export interface Latest {
  readonly device: string;
  readonly point: string;
  readonly value: number | null;
  readonly unit: string | null;
  readonly status: string;
}

/** What the asset register knows of a map: of a meter's register, or of a node of a server. */
export interface Register {
  readonly device: string;
  readonly point: string;
  readonly map: string;
  readonly table: string | null;
  readonly address: number | null;
  readonly type: string | null;
  readonly byteOrder: string | null;
  readonly scale: number;
  readonly nodeId: string | null;
}

export const registers = `select device, point, map, "table", address, type, byte_order as byteOrder, scale, register ->> 'nodeId' as nodeId from registers`;

export const latest = 'select device, point, value, unit, status from latest order by device, point';
