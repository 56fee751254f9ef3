import type { Tools } from '../../tools.ts';
import { browse } from './browse.ts';
import { probe } from './probe.ts';
import { scan } from './scan.ts';

export const tools: Tools = { probe, browse, scan };
