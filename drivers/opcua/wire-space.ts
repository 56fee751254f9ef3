import { BrowseDirection } from 'node-opcua-client';
import type { BrowseResult, ClientSession } from 'node-opcua-client';

interface Status {
  readonly code: number;
  readonly name: string;
}

/** A name as this server writes it: with the index of its namespace. */
export interface BrowseName {
  readonly index: number;
  readonly name: string;
}

/** A way by browse names over hierarchical references. */
export interface PathAsk {
  /** `ns=0;i=85`. */
  readonly start: string;
  readonly steps: readonly BrowseName[];
}

export interface PathFound {
  readonly status: Status;
  /** Nodes of this server to which the way leads. */
  readonly targets: readonly string[];
}

export interface BrowseAsk {
  readonly nodeId: string;
  readonly references: keyof typeof referenceTypes;
}

export interface Reference extends BrowseName {
  readonly nodeId: string;
  readonly displayName: string;
  /** OPC UA Part 3, 8.29: 1 Object, 2 Variable, 4 Method. */
  readonly nodeClass: number;
  /** Of the reference itself. */
  readonly type: string;
}

export interface Browsed {
  readonly status: Status;
  readonly references: readonly Reference[];
  /** There is more: asked for with it, or given back. */
  readonly more: Buffer | null;
}

/** Their NodeIds in namespace 0 (OPC UA Part 6, A.1): HierarchicalReferences, HasProperty, HasSubtype. */
const referenceTypes = {
  children: { nodeId: 'i=33', direction: BrowseDirection.Forward },
  properties: { nodeId: 'i=46', direction: BrowseDirection.Forward },
  supertype: { nodeId: 'i=45', direction: BrowseDirection.Inverse },
} as const;

/** Types of references, browse names, node classes and display names (OPC UA Part 4, 5.9.2.2). */
const resultMask = 0b01_1101;

/** TranslateBrowsePathsToNodeIds (OPC UA Part 4, 5.9.4), answers in the order of the question. */
export async function translate(session: ClientSession, asks: readonly PathAsk[]): Promise<readonly PathFound[]> {
  const results = await session.translateBrowsePath(
    asks.map(({ start, steps }) => ({
      startingNode: start,
      relativePath: {
        elements: steps.map(({ index, name }) => ({
          referenceTypeId: referenceTypes.children.nodeId,
          isInverse: false,
          includeSubtypes: true,
          targetName: { namespaceIndex: index, name },
        })),
      },
    })),
  );
  return results.map(({ statusCode, targets }) => ({
    status: { code: statusCode.value, name: statusCode.name },
    // A way that ends early goes on at another server.
    targets: (targets ?? [])
      .filter(({ remainingPathIndex }) => remainingPathIndex === 0xffff_ffff)
      .map(({ targetId }) => String(targetId)),
  }));
}

/** `most`: references of one node in one answer. */
export async function browse(
  session: ClientSession,
  asks: readonly BrowseAsk[],
  most: number,
): Promise<readonly Browsed[]> {
  session.requestedMaxReferencesPerNode = most;
  const results = await session.browse(
    asks.map(({ nodeId, references }) => ({
      nodeId,
      browseDirection: referenceTypes[references].direction,
      referenceTypeId: referenceTypes[references].nodeId,
      includeSubtypes: true,
      nodeClassMask: 0,
      resultMask,
    })),
  );
  return results.map(browsedOf);
}

/** `release`: gives them back instead; a server has few. */
export async function browseOn(
  session: ClientSession,
  points: readonly Buffer[],
  release: boolean,
): Promise<readonly Browsed[]> {
  const results = await session.browseNext([...points], release);
  return results.map(browsedOf);
}

function browsedOf({ statusCode, references, continuationPoint }: BrowseResult): Browsed {
  const more = continuationPoint as Buffer | null | undefined;
  return {
    status: { code: statusCode.value, name: statusCode.name },
    references: (references ?? []).map(({ nodeId, browseName, displayName, nodeClass, referenceTypeId }) => ({
      nodeId: String(nodeId),
      index: browseName.namespaceIndex,
      name: browseName.name ?? '',
      displayName: displayName.text ?? '',
      nodeClass,
      type: String(referenceTypeId),
    })),
    more: more === null || more === undefined || more.length === 0 ? null : more,
  };
}
