import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The jars of Eclipse Milo's server. */
const jars = process.env['SLUICE_MILO'] ?? '';

/** Java's arguments before the program's own. */
export const miloArguments = ['-cp', join(jars, '*'), 'test/simulators/milo-plant/MiloPlant.java'] as const;

const hasJava = spawnSync('java', ['-version']).status === 0;

/** Why suites with Milo as a server cannot run here; undefined: they can. CI must have it, so there it is an error. */
export const noMilo: string | undefined = !hasJava
  ? 'no java on this machine (Milo needs Java 17 or newer)'
  : jars === '' || !existsSync(jars)
    ? 'no Eclipse Milo; mvn -f test/simulators/milo-plant/pom.xml dependency:copy-dependencies -DoutputDirectory=FOLDER, then SLUICE_MILO=FOLDER'
    : undefined;
if (noMilo !== undefined && process.env['CI'] === 'true') throw new Error(`CI needs Milo: ${noMilo}`);
