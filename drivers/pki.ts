import type { Home } from './driver.ts';

/** The certificates of a driver that has such: whom it trusts, and who it is. Opens no connection. */
export interface PkiTools {
  /** All there are, its own first. */
  list(home: Home, connections: readonly PkiConnection[]): Promise<readonly PkiEntry[]>;
  /**
   * From now on it is believed. `which`: a name or the beginning of a thumbprint of one that was refused, or a file with a certificate or revocation list.
   * Rejects with UsageError when it is none of them, or several.
   */
  trust(home: Home, which: string): Promise<PkiTrusted>;
  /** A new certificate of its own in the place of the one there is, which is put aside. */
  renew(home: Home, nowMs: number): Promise<PkiEntry>;
}

export interface PkiConnection {
  readonly id: string;
  readonly plan: unknown;
}

/** Texts may be a server's: nothing in them can steer a terminal. */
export interface PkiEntry {
  /** `own`; `trusted` (a server), `authority` (whatever it signs is trusted), `issuer` (only completes a chain), `rejected`, `user` (of a configuration), `revocations` (the list of an authority). */
  readonly kind: 'own' | 'trusted' | 'authority' | 'issuer' | 'rejected' | 'user' | 'revocations';
  readonly subject: string;
  readonly name: string;
  readonly applicationUri: string | null;
  /** SHA-1, lower case hex. */
  readonly thumbprint: string;
  readonly notBeforeMs: number;
  /** Of a list: when the next one is made. */
  readonly notAfterMs: number;
  readonly file: string;
  /** Connections of the configuration that it is for, as far as it says. */
  readonly connections: readonly string[];
}

export interface PkiTrusted {
  /** null: a revocation list was taken, which has no name. */
  readonly entry: PkiEntry | null;
  /** Was trusted before. */
  readonly isOld: boolean;
  /** Others of the same server that stay trusted. */
  readonly besides: readonly PkiEntry[];
}
