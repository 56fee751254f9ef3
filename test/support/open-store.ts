/** Opens a buffer's files as a start does, and lets go of them. A process of its own; parameter: the folder. */
import { Store } from '../../buffer/store.ts';

const [path = ''] = process.argv.slice(2);
const store = new Store({ path, maxBytes: 2_000_000_000 }, (event) => console.error(event.message));
store.opened();
store.close([]);
