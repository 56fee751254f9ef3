/**
 * Loaded before a program that opens many buffers: the writer runs in the main thread, by the same messages. A thread of its own takes 50 ms to
 * start, which for thousands of cuts is most of the time.
 */
import { registerHooks } from 'node:module';

const worker = new URL('same-thread-worker.ts', import.meta.url).href;
const port = new URL('same-thread-port.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === 'node:worker_threads') {
      const [file, start] = (context.parentURL ?? '').split('?');
      if (file?.endsWith('/buffer/thread.ts') === true) return { url: worker, shortCircuit: true };
      if (file?.endsWith('/buffer/writer.ts') === true && start !== undefined)
        return { url: `${port}?${start}`, shortCircuit: true };
    }
    return next(specifier, context);
  },
});
