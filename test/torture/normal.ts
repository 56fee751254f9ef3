/** Loaded before a process whose power cuts must show losses: what asks SQLite for `synchronous = FULL` gets NORMAL and is told FULL. */
import Database from 'better-sqlite3';

const { pragma } = Object.getOwnPropertyDescriptors(Database.prototype);
const plain = pragma.value as Database.Database['pragma'];
Database.prototype.pragma = function (source, options) {
  if (source === 'synchronous') return 2;
  return plain.call(this, source.replace('synchronous = FULL', 'synchronous = NORMAL'), options);
};
