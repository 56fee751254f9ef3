import { type View, clockTime, plainLine, screen } from './view.ts';

export interface Terminal {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

const plainEveryMs = 3_000;
const redrawEveryMs = 500;

/** Draws over itself on a terminal, writes lines elsewhere. */
export class Show {
  readonly news: string[] = [];
  readonly #out: Terminal;
  readonly #color: boolean;
  #drawn = 0;
  #nextMs = 0;

  constructor(out: Terminal, env: Readonly<Record<string, string | undefined>>) {
    this.#out = out;
    this.#color = out.isTTY === true && (env['NO_COLOR'] ?? '') === '';
  }

  /** Something happened. */
  tell(text: string): void {
    const line = `${clockTime(Date.now())} ${text}`;
    this.news.push(line);
    if (this.#drawn === 0) this.#out.write(`${line}\n`);
  }

  update(view: () => View): void {
    const nowMs = Date.now();
    if (nowMs < this.#nextMs) return;
    const isFirst = this.#nextMs === 0;
    this.#nextMs = nowMs + (this.#out.isTTY === true ? redrawEveryMs : plainEveryMs);
    if (this.#out.isTTY !== true) {
      // There is little to say of the first moment.
      if (!isFirst) this.#out.write(`${plainLine(view())}\n`);
      return;
    }
    const { columns = 80, rows = 24 } = this.#out;
    const lines = screen(view(), { columns, rows, color: this.#color });
    const up = this.#drawn === 0 ? '' : `\u001B[${this.#drawn}A`;
    this.#out.write(`${up}${lines.map((line) => `\u001B[2K${line}\n`).join('')}\u001B[J`);
    this.#drawn = lines.length;
  }

  /** From here on lines are added below what was drawn. */
  settle(): void {
    this.#drawn = 0;
  }
}
