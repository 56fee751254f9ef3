import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Locked {
  readonly hasInstallScript?: boolean;
  readonly gypfile?: boolean;
}

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};

// npm below 11.16 knows no `allowScripts`: it compiles whatever has a binding.gyp, unless the lock file says that there is none.
it('nothing compiles at install, with any npm: the lock file knows no build of a package that carries its binaries', () => {
  const scripts = Object.keys(packages).filter((path) => packages[path]?.hasInstallScript === true);
  // The first finds its binary and ends, the second links the Node of this machine's architecture.
  expect(scripts).toEqual(['node_modules/@serialport/bindings-cpp', 'node_modules/node']);
  expect(packages['node_modules/better-sqlite3']?.gypfile).toBe(false);
});
