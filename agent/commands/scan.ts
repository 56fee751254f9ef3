import type { Command } from './command.ts';
import { useTools } from './tool.ts';

export const scan: Command = {
  name: 'scan',
  about: `Finds the devices behind a host: asks every unit for one register, and those that answer who they are.
An exception is an answer too. Says beforehand how long it takes at most; Ctrl-C ends it with what was found.`,
  arguments: [{ name: 'URL', about: 'modbus://HOST:PORT', required: true }],
  options: {
    units: { value: 'LIST', about: 'only these units, e.g. 1-10,20 (1-247)' },
    json: { about: 'one JSON value' },
  },
  notes: `Keys of the URL:
  timeout=TIME   how long an answer is waited for (500ms); slow lines need more
A line that the daemon reads meanwhile answers later than it would alone; some gateways take one client only.`,
  examples: [
    { line: 'sluice scan modbus://10.12.0.20 --units 1-10', about: 'ten units, ten seconds at most' },
    { line: 'sluice scan modbus://10.12.0.20?timeout=1s --json', about: 'all of them, patiently' },
  ],
  exits: { 0: 'somebody answered', 1: 'nobody did, or there is nobody to ask' },

  run: (args, io) =>
    useTools(args, io, (tools, url, host) => {
      const { units } = args.values;
      return tools.scan(url, { units: typeof units === 'string' ? units : null }, host);
    }),
};
