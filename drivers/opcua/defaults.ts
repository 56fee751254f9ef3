/** What holds where nobody states a key. */
export const defaults = {
  port: 4840,
  securityMode: 'None',
  /** Where `securityMode` is Sign or SignAndEncrypt. */
  securityPolicy: 'Basic256Sha256',
  timeoutMs: 5_000,
  publishingIntervalMs: 1_000,
  /** Values that the server keeps of a point between two publishings, where sampling is not faster than publishing. */
  leastQueueSize: 10,
  /** Nodes in one request, where the server states no limit. */
  mostAtOnce: 1_000,
  /** How often it is asked whether it is still the one it was. */
  lookMs: 20_000,
} as const;
