/** After `tsc`: puts what it leaves behind (JSON, YAML, XML that programs read beside themselves) into `dist/`. */
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { extname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const isData = (path: string): boolean => ['.json', '.yaml', '.xml'].includes(extname(path));
const jars = join(root, 'deploy/kafka/lib');

for (const folder of ['agent', 'drivers', 'buffer', 'deploy']) {
  cpSync(join(root, folder), join(root, 'dist', folder), {
    recursive: true,
    filter: (path) => path !== jars && (extname(path) === '' || isData(path)),
  });
}
// Apache Kafka is fetched once for both.
mkdirSync(jars, { recursive: true });
if (!existsSync(join(root, 'dist/deploy/kafka/lib'))) symlinkSync(jars, join(root, 'dist/deploy/kafka/lib'));
