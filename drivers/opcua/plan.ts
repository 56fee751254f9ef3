import type { Secret } from '../../agent/config/grammar.ts';
import type { PointInfo } from '../../agent/reading.ts';
import type { StatedNodeId } from './node-id.ts';
import type { ValueRules } from './values.ts';

export const securityModes = ['None', 'Sign', 'SignAndEncrypt'] as const;
/** Those that the standard does not call deprecated (OPC UA Part 7). */
export const securityPolicies = ['None', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'] as const;
export type SecurityMode = (typeof securityModes)[number];
export type SecurityPolicy = (typeof securityPolicies)[number];

export type Identity =
  | { readonly type: 'anonymous' }
  | {
      readonly type: 'userName';
      readonly username: string;
      readonly password: Secret;
      /** Whether it may go where nothing encrypts it. */
      readonly mayBeClear: boolean;
    }
  | { readonly type: 'certificate'; readonly cert: string; readonly key: string };

/** One endpoint with all its devices: plain data, defaults filled in. */
export interface OpcUaPlan {
  readonly connection: string;
  /** `opc.tcp://host:port/path`. */
  readonly endpoint: string;
  readonly securityMode: SecurityMode;
  readonly securityPolicy: SecurityPolicy;
  readonly identity: Identity;
  /** How long the answer to one request is waited for. */
  readonly timeoutMs: number;
  readonly devices: readonly { readonly id: string; readonly points: readonly OpcUaPoint[] }[];
}

export interface OpcUaPoint {
  readonly info: PointInfo;
  readonly node: Place;
  /** The one element of an array that is the value, from 0, one number for each dimension; null: the value is no array. */
  readonly index: readonly number[] | null;
  /** null: it is polled. */
  readonly subscribed: Subscribed | null;
  readonly rules: ValueRules;
}

/** Where a value is: a node, or the way to it from the Objects folder. */
export type Place =
  | { readonly nodeId: StatedNodeId; readonly text: string }
  | { readonly browsePath: readonly PathStep[]; readonly text: string };

export interface PathStep {
  /** null: by `index`. */
  readonly uri: string | null;
  readonly index: number;
  readonly name: string;
}

export interface Subscribed {
  readonly samplingMs: number;
  readonly publishingMs: number;
  readonly queueSize: number;
  readonly deadband: { readonly type: 'absolute' | 'percent'; readonly value: number } | null;
}
