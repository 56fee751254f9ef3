import { UsageError } from '../errors.ts';
import type { Command } from './command.ts';
import { configOption, useTools } from './tool.ts';

export const scan: Command = {
  name: 'scan',
  about: `Finds the devices on a line or behind a host: asks every unit for one register, and those that answer who they are.
An exception is an answer too. Says beforehand how long it takes at most; Ctrl-C ends it with what was found.
Of an OPC UA server: which security and which users it offers, and who it says it is. Nobody logs in.`,
  arguments: [
    {
      name: 'URL',
      about: 'modbus://HOST:PORT, modbus+rtu:///dev/ttyUSB0, modbus+rtu+tcp://HOST:PORT, opc.tcp://HOST:PORT',
      required: true,
    },
  ],
  options: {
    units: { value: 'LIST', about: 'only these units, e.g. 1-10,20 (1-247)' },
    sweep: { about: 'of a serial line: tries the usual settings until somebody answers; those in the URL stand' },
    config: configOption,
    json: { about: 'one JSON value' },
  },
  notes: `Keys of the URL:
  timeout=TIME   how long an answer is waited for (500ms); slow lines need more
  baudRate=N parity=NAME stopBits=N   of a serial line (9600, even, 1)
A line that the daemon reads meanwhile answers later than it would alone; some gateways take one client only.`,
  examples: [
    { line: 'sluice scan modbus://10.12.0.20 --units 1-10', about: 'ten units, ten seconds at most' },
    {
      line: 'sluice scan modbus+rtu:///dev/ttyUSB0 --units 1 --sweep',
      about: 'the settings of a line on which unit 1 is for certain',
    },
    { line: 'sluice scan modbus://10.12.0.20?timeout=1s --json', about: 'all of them, patiently' },
    { line: 'sluice scan opc.tcp://10.12.0.5', about: 'what to write for securityMode and securityPolicy' },
  ],
  exits: { 0: 'somebody answered', 1: 'nobody did, or there is nobody to ask' },

  run: (args, io) =>
    useTools(args, io, (tools, url, host) => {
      const { units, sweep } = args.values;
      if (tools.scan === undefined) throw new UsageError('nothing can be found by itself there');
      return tools.scan(url, { units: typeof units === 'string' ? units : null, sweep: sweep === true }, host);
    }),
};
