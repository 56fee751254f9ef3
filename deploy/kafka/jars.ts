import { execFile } from 'node:child_process';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = import.meta.dirname;
const jars = join(here, 'lib', 'jars');
const lock = join(here, 'lib', 'lock');
const mavenTimeoutMs = 300_000;
const leastJava = 17;
const needed = `Apache Kafka 4 needs Java ${leastJava} or newer`;

/** The class path of Apache Kafka, fetched once by Maven into `lib/jars`; or, as `missing`, why this machine cannot have it. */
export type KafkaJars = { classPath: string } | { missing: string };

/** Finds the jars or fetches them, in five minutes at most; never rejects. */
export async function kafkaJars(): Promise<KafkaJars> {
  const java = await run('java', ['-version']).catch(() => undefined);
  if (java === undefined) return { missing: `no java on this machine (${needed})` };
  const version = javaVersion(java.stderr);
  if (version < leastJava) return { missing: `Java ${version} on this machine (${needed})` };
  try {
    if (!(await present())) await fetchOnce();
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
  return { classPath: join(jars, '*') };
}

/** `openjdk version "17.0.9"` → 17, `java version "1.8.0_392"` → 8. What says nothing of the kind is tried. */
function javaVersion(said: string): number {
  const [, major] = /version "(?:1\.)?(\d+)/.exec(said) ?? [];
  return major === undefined ? Infinity : Number(major);
}

/** Several test files may ask at once, each in its own process: one runs Maven, the others wait for its folder. */
async function fetchOnce(): Promise<void> {
  if (!(await works('mvn', ['-v']))) {
    throw new Error('no mvn on this machine (Maven fetches the jars of Apache Kafka), and deploy/kafka/lib is empty');
  }
  await mkdir(join(here, 'lib'), { recursive: true });
  const deadlineMs = Date.now() + mavenTimeoutMs;
  while (!(await tookLock())) {
    if (Date.now() > deadlineMs) throw new Error(`another process holds ${lock}; remove it if none is running`);
    await sleep(200);
    if (await present()) return;
  }
  try {
    if (await present()) return;
    const fresh = `${jars}.new`;
    await rm(fresh, { recursive: true, force: true });
    const goal = 'dependency:copy-dependencies';
    await run('mvn', ['-q', '-B', '-f', join(here, 'pom.xml'), goal, `-DoutputDirectory=${fresh}`], {
      timeout: mavenTimeoutMs,
    });
    await rm(jars, { recursive: true, force: true });
    await rename(fresh, jars);
  } catch (cause) {
    throw new Error('Maven could not fetch the jars of Apache Kafka (is the network there?)', { cause });
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function tookLock(): Promise<boolean> {
  try {
    await mkdir(lock);
    return true;
  } catch {
    const age = await stat(lock).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    // Left by a process that was killed: no fetch takes longer than its own time limit.
    if (age > mavenTimeoutMs) await rm(lock, { recursive: true, force: true });
    return false;
  }
}

/** The folder is renamed into place when it is complete, so any jar in it means all of them. */
async function present(): Promise<boolean> {
  const names = await readdir(jars).catch(() => []);
  return names.some((name) => name.startsWith('kafka-server-'));
}

async function works(command: string, parameters: string[]): Promise<boolean> {
  return run(command, parameters).then(
    () => true,
    () => false,
  );
}
