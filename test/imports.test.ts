import { readFileSync, globSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Relative imports of a file, dynamic ones and types too, as paths from the root. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, to = '']) => ({
    from: file,
    to: normalize(join(dirname(file), to)),
  }));
}

const filesOf = (folder: string): string[] => globSync(`${folder}/**/*.ts`, { cwd: root });
const all = ['agent', 'drivers', 'buffer'].flatMap(filesOf);
const imports = all.flatMap(importsOf);
const text = ({ from, to }: Import): string => `${from} imports ${to}`;

describe('the import rule', () => {
  it('finds imports at all', () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.map(text)).toContain('agent/gateway.ts imports buffer/open.ts');
  });

  it('lets drivers and buffer import from agent only leaves: files that import nothing of ours but other leaves at most for their types', () => {
    const isLeaf = (file: string): boolean => importsOf(file).every(({ to }) => to === 'agent/clock.ts');
    const broken = imports.filter(
      ({ from, to }) => /^(drivers|buffer)\//.test(from) && to.startsWith('agent/') && !isLeaf(to),
    );
    expect(broken.map(text)).toEqual([]);
  });

  it('keeps `import` of node:http out of the daemon: it would read its lazy WebSocket, and load undici for it', () => {
    const http = /^import (?!type\b).*'node:https?'/m;
    const broken = all.filter(
      (file) => !file.startsWith('agent/commands/') && http.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(broken).toEqual([]);
  });

  it('keeps drivers and buffer apart', () => {
    const broken = imports.filter(
      ({ from, to }) =>
        (from.startsWith('drivers/') && to.startsWith('buffer/')) ||
        (from.startsWith('buffer/') && to.startsWith('drivers/')),
    );
    expect(broken.map(text)).toEqual([]);
  });

  it('lets nobody but the registry reach into a driver', () => {
    const folder = (file: string): string | undefined => /^drivers\/(\w+)\//.exec(file)?.[1];
    const broken = imports.filter(
      ({ from, to }) => folder(to) !== undefined && folder(to) !== folder(from) && from !== 'drivers/registry.ts',
    );
    expect(broken.map(text)).toEqual([]);
  });

  it('lets no product file import from test or deploy', () => {
    expect(imports.filter(({ to }) => /^(test|deploy)\//.test(to)).map(text)).toEqual([]);
  });

  it('lets only main.ts end the process', () => {
    const ending = all.filter((file) =>
      /process\.(exit\b|exitCode|abort|kill)/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(ending).toEqual(['agent/main.ts']);
  });
});
