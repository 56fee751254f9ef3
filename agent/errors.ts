/**
 * The errors of Sluice: one class per way to react, each with a stable `code`. Nobody matches on message text.
 * A message names the place, the value, what is allowed and what to do next; it never holds a secret.
 */
export class SluiceError extends Error {
  /** Stable, for programs: `LINK_LOST`, `BUFFER_FULL`, … */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A connection cannot be opened, or was lost. The supervisor tries again; a silent device is no LinkError. */
export class LinkError extends SluiceError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('LINK_LOST', message, options);
  }
}

/** The buffer is at its quota (or 16 MB wait for a stuck disk): these entries were refused, nothing stored is harmed. */
export class BufferFull extends SluiceError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('BUFFER_FULL', message, options);
  }
}

/** The buffer cannot be opened, or another process owns it. */
export class BufferError extends SluiceError {}

/**
 * What the forwarder does with a failed send. `retry`: wait, then again. `operator`: a person must act (missing topic,
 * missing right, wrong password): keep, try slowly, say so. `refused`: the broker will never take it as it is: halve down to one record.
 */
export type Fate = 'retry' | 'operator' | 'refused';

/** A send, connect or close that failed; `code`: Kafka's or the system's name for it. */
export class UplinkError extends SluiceError {
  readonly fate: Fate;

  constructor(fate: Fate, code: string, message: string, options?: { cause?: unknown }) {
    super(code, message, options);
    this.fate = fate;
  }
}

/** The command line was wrong: exit code 2. */
export class UsageError extends SluiceError {
  constructor(message: string) {
    super('USAGE', message);
  }
}

/** The configuration was wrong and has been explained already: exit code 78 (EX_CONFIG of sysexits.h). */
export class ConfigError extends SluiceError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('CONFIG', message, options);
  }
}

/** The text of anything that was thrown, with its causes, for one line of a log. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause === undefined) return error.message;
  return `${error.message.replace(/\.$/, '')}: ${messageOf(error.cause)}`;
}
