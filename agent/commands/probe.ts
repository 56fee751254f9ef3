import type { Command } from './command.ts';
import { configOption, connectionOption, useTools } from './tool.ts';

export const probe: Command = {
  name: 'probe',
  about: `Reads registers once, without a configuration, and shows every way to understand them: type by type, byte order by byte order.
With what the meter's display shows, ranks the ways that make that number, with the point to paste into a configuration.
Of an OPC UA server: everything about one node and what a reading of it would be; without a node, about the server.`,
  arguments: [
    {
      name: 'URL',
      about:
        'modbus://HOST:PORT/UNIT?address=N, modbus+rtu:///dev/ttyUSB0/UNIT?address=N, modbus+rtu+tcp://HOST:PORT/UNIT?address=N, or a node of OPC UA: opc.tcp://HOST:PORT?nodeId=NODE',
      required: true,
    },
  ],
  options: {
    display: {
      value: 'NUMBER',
      about: 'what the meter shows now, with all its digits; neighbouring addresses and the other table are tried too',
    },
    config: configOption,
    connection: connectionOption,
    json: { about: 'one JSON value' },
  },
  notes: `Keys of the URL:
  address=N      as the protocol counts, 0…65535, or hex: 0x0BD3
  addressBase=1  the address as a manual counts that begins with 1
  reference=N    instead of both: 40001, 300001
  table=NAME     holding (unless given), input, coil, discrete
  count=N        how many (4)
  timeout=TIME   how long an answer is waited for (1s)
  baudRate=N parity=NAME stopBits=N   of a serial line (9600, even, 1)
  nodeId=NODE browsePath=PATH         of an OPC UA server, as in a configuration
  securityMode=NAME securityPolicy=NAME   the same
In a shell a URL with & or ? stands in quotes.`,
  examples: [
    { line: 'sluice probe modbus://10.12.0.20/1?address=0', about: 'four holding registers of unit 1' },
    { line: 'sluice probe modbus+rtu:///dev/ttyUSB0/7?address=0x0BD3&baudRate=19200', about: 'on a serial line' },
    {
      line: 'sluice probe modbus://10.12.0.20:502/7?reference=30013&count=2 --display 1234.567',
      about: 'which type and order make the number on the display',
    },
    {
      line: "sluice probe 'opc.tcp://10.12.0.5:4840?nodeId=nsu=urn:site:plc;s=Tank.Level'",
      about: 'a node of an OPC UA server',
    },
  ],
  exits: { 0: 'fine', 1: 'nobody answered, or nothing makes the number' },

  run: (args, io) =>
    useTools(args, io, (tools, url, host, plan) => {
      const { display } = args.values;
      return tools.probe(url, { display: typeof display === 'string' ? display : null, plan }, host);
    }),
};
