/** A clock before this is wrong: the sources did not exist yet. Moved on at each release, by hand: a file's time would follow the copy, not the build. */
export const builtAtMs = Date.parse('2026-11-22T00:00:00Z');
