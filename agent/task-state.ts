import { readFileSync } from 'node:fs';

/** Of a process or thread, by its folder in /proc: `R` runs, `S` and `D` wait, `T` is stopped (proc_pid_stat(5); the letter follows the name in parentheses, which may hold parentheses). null: it is not to be read. */
export function taskState(folder: string): string | null {
  try {
    const text = readFileSync(`${folder}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2)[0] ?? null;
  } catch {
    return null;
  }
}
