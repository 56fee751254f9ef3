import { wearIn } from '../newest-slots.ts';
import type { BufferView } from './view.ts';
import type { Wear } from '../wear.ts';

/** What the buffer has written over all starts, as the newest segment tells that carries it; null: none does. */
export function wearOf(view: BufferView): Wear | null {
  for (const segment of view.segments.toReversed()) {
    try {
      const slots = view.use(segment, ({ file }) => file.slots());
      if (slots) return wearIn(slots.body);
    } catch {
      // Whoever counts the lanes meets the same, and tells it.
    }
  }
  return null;
}
