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
} as const;
