/** Bytes to and from a line: a serial port, or a socket behind which one lies. No frames, no time. */
export interface BytePort {
  /** For people: `/dev/ttyUSB0`, `10.12.0.21:4001`. */
  readonly name: string;
  write(bytes: Buffer): void;
  /** One listener; called with every piece that arrives. */
  listen(heard: (bytes: Buffer) => void): void;
  /** It broke, or was pulled out (the error), or `close` was called (undefined). Never rejects. */
  readonly ended: Promise<Error | undefined>;
  /** Whether what was opened can be found no more: then silence is not the devices'. */
  isGone?(): boolean;
  /** Idempotent. Resolves when the line is free for another owner. */
  close(): Promise<void>;
}
