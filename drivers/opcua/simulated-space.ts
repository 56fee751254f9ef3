import { DataType, DataValue, NodeClass, Variant, VariantArrayType } from 'node-opcua-client';
import type { StatusCode } from 'node-opcua-client';
import type { OPCUAServer } from 'node-opcua-server';
import { euInformation } from './engineering-unit.ts';
import type { SimulatedLayout, SimulatedNode } from './simulated-layout.ts';
import type { SimulatedValue } from './simulated-values.ts';
import type { BrowseName } from './wire-space.ts';

type AddressSpace = NonNullable<OPCUAServer['engine']['addressSpace']>;
type Namespace = ReturnType<AddressSpace['registerNamespace']>;
type Made = ReturnType<Namespace['addVariable']>;
type Parent = NonNullable<ReturnType<AddressSpace['findNode']>>;

/** What is true of a node at a wall time: its status, asked before every answer. */
export type StatusOf = (node: SimulatedNode) => StatusCode;

/** The variables of a layout in the address space of a server. */
export class SimulatedSpace {
  readonly #space: AddressSpace;
  readonly #layout: SimulatedLayout;
  readonly #statusOf: StatusOf;
  readonly #wallMs: () => number;
  /** Those that are there now and were made here. */
  readonly #made = new Map<SimulatedNode, Made>();
  readonly #folders = new Map<string, Parent>();

  /** `statusOf`: called at every look at a node, also for what is sampled. */
  constructor(server: OPCUAServer, layout: SimulatedLayout, statusOf: StatusOf, wallMs: () => number) {
    const { addressSpace } = server.engine;
    if (addressSpace === null) throw new Error('the server has no address space');
    this.#space = addressSpace;
    this.#layout = layout;
    this.#statusOf = statusOf;
    this.#wallMs = wallMs;
    // The first two are there: the standard's and the server's own.
    for (const uri of layout.namespaces.slice(2)) addressSpace.registerNamespace(uri);
    for (const node of layout.nodes) this.#add(node);
  }

  /** Deletes the nodes of a device, or puts them back. */
  show(device: string, isThere: boolean): void {
    for (const node of this.#layout.nodes) {
      if (node.device !== device) continue;
      const made = this.#made.get(node);
      if (isThere && made === undefined) this.#add(node);
      else if (!isThere && made !== undefined) {
        this.#space.deleteNode(made);
        this.#made.delete(node);
      }
    }
  }

  #add(node: SimulatedNode): void {
    const { where } = node;
    // What every server has (its clock, its state) is served as it is.
    if ('nodeId' in where) {
      if (this.#space.findNode(where.nodeId) !== null) return;
      const index = Number(/^ns=(\d+);/.exec(where.nodeId)?.[1] ?? 0);
      const parent = this.#folderOf(node.device);
      this.#made.set(node, this.#variable(node, parent, { index, name: node.name }, where.nodeId));
      return;
    }
    let parent: Parent = this.#space.rootFolder.objects;
    const last = where.path.length - 1;
    for (const [at, step] of where.path.entries()) {
      const there = parent.getChildByName(step.name, step.index);
      if (there === null && at === last) this.#made.set(node, this.#variable(node, parent, step));
      else parent = there ?? this.#object(parent, step);
    }
  }

  #folderOf(device: string): Parent {
    const known = this.#folders.get(device);
    if (known !== undefined) return known;
    const made = this.#object(this.#space.rootFolder.objects, { index: 1, name: device });
    this.#folders.set(device, made);
    return made;
  }

  #object(parent: Parent, { index, name }: BrowseName): Parent {
    return this.#namespace(index).addObject({ ...below(parent), browseName: name });
  }

  #variable(node: SimulatedNode, parent: Parent, { index, name }: BrowseName, nodeId?: string): Made {
    const { first, dimensions } = node;
    const namespace = this.#namespace(index);
    const look = looker(node, this.#statusOf, this.#wallMs);
    const common = {
      ...below(parent),
      ...(nodeId !== undefined && { nodeId }),
      browseName: name,
      dataType: DataType[first.type],
      valueRank: dimensions === null ? -1 : dimensions.length,
      ...(dimensions !== null && { arrayDimensions: [...dimensions] }),
      minimumSamplingInterval: 50,
      value: { timestamped_get: look },
    };
    const made =
      first.range === null
        ? namespace.addVariable(common)
        : namespace.addAnalogDataItem({
            ...common,
            engineeringUnitsRange: first.range,
            ...(first.unit !== null && { engineeringUnits: euInformation(first.unit) }),
          });
    describe(namespace, made, first, this.#space);
    return made;
  }

  #namespace(index: number): Namespace {
    return this.#space.getNamespace(index) as Namespace;
  }
}

/** What a variable that is no analog item says besides. */
function describe(namespace: Namespace, made: Made, { range, unit, names }: SimulatedValue, space: AddressSpace): void {
  const structure = (type: string, content: object): object => {
    const known = space.findDataType(type);
    if (known === null) throw new Error(`the standard's ${type} is missing`);
    return space.constructExtensionObject(known, content as Record<string, unknown>);
  };
  const property = (name: string, dataType: string, value: Variant, valueRank: number): void => {
    namespace.addVariable({
      propertyOf: made,
      browseName: { name, namespaceIndex: 0 },
      dataType,
      valueRank,
      typeDefinition: 'PropertyType',
      value,
    });
  };
  const dataType = DataType.ExtensionObject;
  if (range === null && unit !== null) {
    const value = structure('EUInformation', euInformation(unit));
    property('EngineeringUnits', 'EUInformation', new Variant({ dataType, value }), -1);
  }
  if (names !== null) {
    const value = Object.entries(names).map(([number, text]) =>
      structure('EnumValueType', { value: Number(number), displayName: { text } }),
    );
    property('EnumValues', 'EnumValueType', new Variant({ dataType, arrayType: VariantArrayType.Array, value }), 1);
  }
}

const below = (parent: Parent): object =>
  parent.nodeClass === NodeClass.Variable ? { componentOf: parent } : { organizedBy: parent };

/** Reads a node as it is now. The SourceTimestamp is when its value was seen changed. */
function looker(node: SimulatedNode, statusOf: StatusOf, wallMs: () => number): () => DataValue {
  let last = '';
  let sinceMs = 0;
  return () => {
    // A timestamp has no smaller part that is kept: the value is that of the time it bears.
    const nowMs = Math.floor(wallMs());
    const status = statusOf(node);
    const value = status.value >>> 30 === 2 ? null : variantAt(node, nowMs);
    const now = JSON.stringify([status.name, value?.value]);
    if (now !== last) [last, sinceMs] = [now, nowMs];
    return new DataValue({
      statusCode: status,
      ...(value !== null && { value }),
      sourceTimestamp: new Date(sinceMs),
      serverTimestamp: new Date(nowMs),
    });
  };
}

const empty = { Boolean: false, Int32: 0, UInt32: 0, Float: 0, Double: 0, String: '' } as const;

function variantAt({ dimensions, elements, first }: SimulatedNode, nowMs: number): Variant {
  const dataType = DataType[first.type];
  if (dimensions === null) return new Variant({ dataType, value: first.at(nowMs) });
  const size = dimensions.reduce((all, each) => all * each, 1);
  const value = Array.from({ length: size }, (_, at) => elements.get(at)?.at(nowMs) ?? empty[first.type]);
  return dimensions.length === 1
    ? new Variant({ dataType, arrayType: VariantArrayType.Array, value })
    : new Variant({ dataType, arrayType: VariantArrayType.Matrix, dimensions: [...dimensions], value });
}
