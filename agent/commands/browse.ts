import { UsageError } from '../errors.ts';
import type { Command } from './command.ts';
import { numberOf } from './parse.ts';
import { configOption, connectionOption, useTools } from './tool.ts';

const types = ['variable', 'object', 'method'] as const;

export const browse: Command = {
  name: 'browse',
  about: `Shows what an OPC UA server has, as a tree of names with the NodeIds that a configuration takes. Nearest nodes first, and no more of them than
the limit: a server of 100,000 nodes is not read through. Ctrl-C ends it with what was found.`,
  arguments: [
    { name: 'URL', about: 'opc.tcp://HOST:PORT, with the path if the server has one; or none, with --connection' },
  ],
  options: {
    under: {
      value: 'NODE',
      about: 'begins there: a NodeId or a browse path (the folder Objects)',
      example: 'nsu=urn:site:plc;s=Tank',
    },
    match: { value: 'TEXT', about: 'only nodes with this in a name or a NodeId', example: 'level' },
    type: { value: 'TYPE', about: 'only these', choices: types },
    depth: { value: 'N', about: 'so many levels (3; with --match or --points 12)' },
    limit: { value: 'N', about: 'looks at no more nodes than this (2000)' },
    values: { about: 'with values, units and status' },
    points: { about: 'prints the variables as the list for "points", ready to paste' },
    properties: { about: 'also what is a property of another node, e.g. its serial number' },
    config: { ...configOption, about: 'the configuration of --connection, and of the certificates of this gateway' },
    connection: connectionOption,
    json: { about: 'one JSON value a line' },
  },
  notes: `Keys of the URL, as of a connection:
  securityMode=NAME securityPolicy=NAME timeout=TIME
A user and a certificate are taken of a configuration: --config FILE --connection NAME.
Names and kinds of points are proposals. In a shell NODE, and a URL with ? or &, stand in quotes.`,
  examples: [
    { line: 'sluice browse opc.tcp://10.12.0.5:4840 --values', about: 'the first three levels' },
    { line: 'sluice browse opc.tcp://10.12.0.5:4840 --match level --type variable', about: 'looks for something' },
    {
      line: "sluice browse --connection plc --under 'nsu=urn:site:plc;s=Tank' --points",
      about: 'points of a folder, with the user and keys of a connection',
    },
  ],
  exits: { 0: 'something was found', 1: 'nothing was, or there is nobody to ask' },

  run(args, io) {
    const { values, positionals } = args;
    const textOf = (name: string): string | null => (typeof values[name] === 'string' ? values[name] : null);
    if (positionals[0] === undefined && textOf('connection') === null)
      throw new UsageError('browse needs URL, or --connection NAME; see sluice browse --help');
    const options = {
      under: textOf('under'),
      match: textOf('match'),
      type: types.find((each) => each === values['type']) ?? null,
      depth: numberOf(args, 'depth', 1, 100) ?? null,
      limit: numberOf(args, 'limit', 1, 1_000_000) ?? null,
      values: values['values'] === true,
      points: values['points'] === true,
      properties: values['properties'] === true,
    };
    return useTools(args, io, (tools, url, host, plan) => {
      if (tools.browse === undefined)
        throw new UsageError(`${url} is no OPC UA server; what answers there: sluice scan URL`);
      return tools.browse(url, { ...options, plan }, host);
    });
  },
};
