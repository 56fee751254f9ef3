import { readFunctions } from './protocol.ts';
import type { Table } from './protocol.ts';

const others = { coil: 'discrete', discrete: 'coil', holding: 'input', input: 'holding' } as const satisfies Record<
  Table,
  Table
>;

/** Tells a person of tables that a device says it does not have (exception 01): once for a device and table. */
export class TableHints {
  readonly #log: (message: string) => void;
  readonly #told = new Set<string>();

  constructor(log: (message: string) => void) {
    this.#log = log;
  }

  tell(device: string, table: Table): void {
    const key = `${device} ${table}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const code = readFunctions[table].toString().padStart(2, '0');
    this.#log(
      `Device ${device}: it knows no function code ${code} (exception 01), so none of its points of table ${table} is read. Wrong \`table\`? Try ${others[table]}; if the manual says ${table}, compare address and unitId with it.`,
    );
  }
}
