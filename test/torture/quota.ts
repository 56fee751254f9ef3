/** Bytes. Segments of a sixteenth: a few commits each, so that rolling, sealing and unlinking happen all the time. */
export const tortureQuota = 1_000_000;
