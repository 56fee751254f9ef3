import type { Tools } from '../../tools.ts';
import { probe } from './probe.ts';
import { scan } from './scan.ts';

export const tools: Tools = { probe, scan };
