import type { Tools } from '../../tools.ts';
import { probe } from './probe.ts';

export const tools: Tools = { probe };
