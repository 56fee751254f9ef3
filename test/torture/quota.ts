/** Bytes. Segments of a sixteenth: a few commits each, so that rolling, sealing and unlinking happen all the time. */
export const tortureQuota = 1_000_000;

/** Bytes, for a restart: what was left never fills it, so that nothing is warned of. */
export const restartQuota = 4_000_000;
