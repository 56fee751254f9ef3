import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import type { Item } from './handover.ts';
import type { MinuteLook } from './minute-look.ts';
import type { OpcUaPoint } from './plan.ts';
import type { Revised } from './revised.ts';
import { ServiceFault, refusesDeadband, takesNoMore } from './service-fault.ts';
import { builtIn } from './values.ts';
import type { CreatedItem, MonitoredTarget, Seen, Target, Wire } from './wire.ts';

interface Options {
  readonly wire: Wire;
  readonly host: DriverHost;
  readonly push: (seen: readonly Observation[]) => Promise<void>;
  readonly look: MinuteLook;
  /** The server watches no more than it does: it stays with the item, whose status says why. */
  readonly unwatched: (item: Item) => void;
  readonly watched: (item: Item) => void;
}

/** Attribute DataType (OPC UA Part 6, A.1): every variable has it, and no device is asked for it. */
const dataType = 14;
/** The node is not there. */
export const vanished = /^BadNodeId(?:Unknown|Invalid)$/;

/** What the server is to watch for one session, by the handles that their values come with. */
export class Items {
  readonly #options: Options;
  readonly #items = new Map<number, Item>();
  #handles = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  /** The one that was given out last. */
  get handles(): number {
    return this.#handles;
  }

  get(handle: number): Item | undefined {
    return this.#items.get(handle);
  }

  all(): readonly (readonly [number, Item])[] {
    return [...this.#items];
  }

  /** Handles up to `handles` are another session's. */
  countFrom(handles: number): void {
    this.#handles = handles;
  }

  /**
   * The server watches them already, or did not take them. What was said of them last may not be what is said of them now: meanwhile they may have been told as not
   * connected, so all is said once more.
   */
  adopt(items: ReadonlyMap<number, Item>): void {
    for (const [handle, item] of items) {
      this.#items.set(handle, item);
      if (isUnwatched(item)) {
        item.last = null;
        this.#options.unwatched(item);
      } else item.status = '';
    }
  }

  /** Points whose nodes are not there, as far as is known. */
  vanished(): readonly OpcUaPoint[] {
    return [...this.#items.values()].flatMap(({ point, status }) => (vanished.test(status) ? [point] : []));
  }

  /** Their nodes are others now; the next look finds them. */
  move(moved: ReadonlyMap<OpcUaPoint, Target>): void {
    for (const [handle, item] of this.#items) {
      const target = moved.get(item.point);
      if (target !== undefined) this.#items.set(handle, { ...item, target, dataType: null });
    }
  }

  /**
   * Tells which nodes have vanished, once, and asks again for those that are there, or that the server refused. One that changes its type was made anew, between two looks: what
   * watched the old one may watch nothing.
   */
  async recheck(): Promise<void> {
    const { wire, host, push, look } = this.#options;
    const items = [...this.#items].flatMap(([handle, item]) => (item.target === null ? [] : [{ handle, item }]));
    const again: { handle: number; item: Item }[] = [];
    const gone: Observation[] = [];
    for (let from = 0; from < items.length; from += wire.mostReads) {
      const some = items.slice(from, from + wire.mostReads);
      const asked = some.map(({ item }) => ({ nodeId: item.target?.nodeId ?? '', attributeId: dataType }));
      const seen = await look.read(asked);
      if (seen === null) break;
      for (const [at, each] of some.entries()) {
        const { item } = each;
        const status = seen[at]?.status.name ?? 'BadUnexpectedError';
        if (!vanished.test(status)) {
          const type = typeOf(seen[at]);
          const before = item.dataType;
          const isOther = before !== null && type !== null && type !== before;
          if (isOther) host.log?.(`${nameOf(item)}: the node is a ${typeName(type)} now, it was a ${typeName(before)}`);
          item.dataType = type;
          if (item.itemId === null || isOther || vanished.test(item.status)) again.push(each);
        } else if (!vanished.test(item.status)) {
          item.status = status;
          gone.push(unanswered(item.point.info, status, host.clock.now()));
        }
      }
    }
    if (gone.length > 0) await push(gone);
    await this.renew(again);
  }

  /** A node that was made anew is another one: what watched the old one watches nothing. */
  async renew(again: readonly { readonly handle: number; readonly item: Item }[]): Promise<void> {
    const { wire } = this.#options;
    // Another look may have come first.
    const current = again.filter(({ handle, item }) => this.#items.get(handle) === item);
    for (const [subscriptionId, group] of Map.groupBy(current, ({ item }) => item.subscriptionId)) {
      for (const { handle } of group) this.#items.delete(handle);
      const old = group.flatMap(({ item }) => item.itemId ?? []);
      for (let from = 0; from < old.length; from += wire.mostItems)
        await wire.unmonitor(subscriptionId, old.slice(from, from + wire.mostItems));
      await this.monitor(group.map(({ item }) => ({ ...item, itemId: null })));
    }
  }

  /** Asks for all of them; pushes what is refused, unless that was said last. Resolves with what the server makes of the others. */
  async monitor(items: readonly Item[]): Promise<Revised[]> {
    const { wire, host, push } = this.#options;
    const refused: Observation[] = [];
    const refuse = (item: Item, status: string): void => {
      if (item.status !== status) refused.push(unanswered(item.point.info, status, host.clock.now()));
      item.status = status;
    };
    const revised: Revised[] = [];
    const undamped: { readonly item: Item; readonly status: string }[] = [];
    const known = items.map((item) => ({ item, clientHandle: ++this.#handles }));
    for (const { item, clientHandle } of known) {
      this.#items.set(clientHandle, item);
      if (item.target === null) refuse(item, 'BadNodeIdUnknown');
    }
    const askable = known.flatMap(({ item, clientHandle }) =>
      item.target === null ? [] : [{ item, target: { ...item.target, ...item.subscribed, clientHandle } }],
    );
    for (let from = 0; from < askable.length; from += wire.mostItems) {
      const some = askable.slice(from, from + wire.mostItems);
      const created = await this.#create(
        some[0]?.item.subscriptionId ?? 0,
        some.map(({ target }) => target),
      );
      for (const [at, { item, target }] of some.entries()) {
        const given = created[at];
        const { code = 0x80000000, name = 'BadUnexpectedError' } = given?.status ?? {};
        if (takesNoMore(name)) {
          item.status = name;
          this.#options.unwatched(item);
          continue;
        }
        if (refusesDeadband(name) && item.subscribed.deadband !== null) {
          this.#items.delete(target.clientHandle);
          undamped.push({ item, status: name });
          continue;
        }
        if (given === undefined || code >>> 30 === 2) {
          refuse(item, name);
          continue;
        }
        item.itemId = given.itemId;
        item.samplingMs = Math.max(item.subscribed.samplingMs, given.samplingMs);
        this.#options.watched(item);
        revised.push({ device: item.point.info.device, point: item.point.info.point, asked: item.subscribed, given });
      }
    }
    if (refused.length > 0) await push(refused);
    return undamped.length === 0 ? revised : [...revised, ...(await this.#monitorUndamped(undamped))];
  }

  /** All that changes is more than was asked for; nothing at all would be less. */
  #monitorUndamped(undamped: readonly { readonly item: Item; readonly status: string }[]): Promise<Revised[]> {
    for (const [percent, group] of Map.groupBy(undamped, ({ item }) => item.subscribed.deadband?.type === 'percent')) {
      const [first, ...others] = group;
      if (first === undefined) continue;
      const which = `${nameOf(first.item)}${others.length === 0 ? '' : ` and ${others.length} more`}`;
      const why = percent ? '; a percentage is of the range (EURange) that the server states of the node' : '';
      this.#options.host.log?.(
        `${which}: the server refuses serverDeadband (${first.status}${why}), so every change is sent; ${percent ? "state it in the value's own unit, or drop it" : 'drop it'}`,
      );
    }
    return this.monitor(undamped.map(({ item }) => ({ ...item, subscribed: { ...item.subscribed, deadband: null } })));
  }

  async #create(subscriptionId: number, targets: readonly MonitoredTarget[]): Promise<readonly CreatedItem[]> {
    try {
      return await this.#options.wire.monitor(subscriptionId, targets);
    } catch (error) {
      if (!(error instanceof ServiceFault) || !takesNoMore(error.status)) throw error;
      const status = { code: 0x80000000, name: error.status };
      return targets.map(() => ({ status, itemId: 0, samplingMs: 0, queueSize: 0 }));
    }
  }
}

/** The server has no room for it: it is read instead. */
export const isUnwatched = ({ itemId, status }: Item): boolean => itemId === null && takesNoMore(status);

/** As the library writes a NodeId: `ns=0;i=11`. */
function typeOf(seen: Seen | undefined): string | null {
  const value: unknown = seen?.wire?.value;
  return value instanceof Object ? (value as { toString(): string }).toString() : null;
}

const nameOf = ({ point: { info } }: Item): string => `${info.device} ${info.point}`;

function typeName(nodeId: string): string {
  const [, number] = /^(?:ns=0;)?i=(\d+)$/.exec(nodeId) ?? [];
  return Object.entries(builtIn).find(([, one]) => String(one) === number)?.[0] ?? nodeId;
}
