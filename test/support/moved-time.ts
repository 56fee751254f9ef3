/** Where distributions put it; the loader knows what `$LIB` is. */
const library = '/usr/$LIB/faketime/libfaketime.so.1';

/**
 * The environment in which a program sees another wall time (libfaketime); its monotonic time stays. `how`: as FAKETIME takes it, `+2h`, or `@…`.
 * The tool `faketime` is not run: it would stay between as the program's parent, and leaves semaphores with its pid in their names, at which it fails when that
 * pid comes again.
 */
export function movedTime(how: string): NodeJS.ProcessEnv {
  return { ...process.env, LD_PRELOAD: library, FAKETIME: how, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}
