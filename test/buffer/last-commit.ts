/**
 * Whether bytes `from` to below `to` of a WAL lie in its last transaction (sqlite.org/fileformat2.html, "The WAL File"): frames of 24 bytes and a page behind
 * a header of 32; the last frame of a transaction says how large the database is. What harms only that one may look like a commit that a power cut tore.
 */
export function isInLastCommit(wal: Buffer, from: number, to: number): boolean {
  if (wal.length < 32) return false;
  const frameBytes = 24 + wal.readUInt32BE(8);
  const salts = wal.subarray(16, 24);
  const ends: number[] = [];
  for (let at = 32; at + frameBytes <= wal.length; at += frameBytes)
    if (wal.readUInt32BE(at + 4) !== 0 && salts.equals(wal.subarray(at + 8, at + 16))) ends.push(at + frameBytes);
  return from >= (ends.at(-2) ?? 32) && to <= (ends.at(-1) ?? 0);
}
