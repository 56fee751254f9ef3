import { homeOf } from '../config/site-config.ts';
import { fileArgument, type Command } from './command.ts';
import { configured } from './configured.ts';
import { pkiTools } from './pki-tools.ts';
import { isoText } from './printing.ts';

export const pkiRenew: Command = {
  name: 'pki renew',
  about: `Makes a new certificate and key of the gateway itself; those before are kept in pki/own/replaced.
Every server has to trust the new one. A running daemon shows it at its next connect: until then it goes on with the one before.`,
  arguments: [fileArgument],
  options: { json: { about: 'one JSON value: {"thumbprint","subject","notAfter","file"}' } },
  examples: [{ line: 'sluice pki renew', about: 'before it expires, or when the key may be known to others' }],
  exits: { 0: 'there is a new one', 1: 'it cannot be kept', 78: 'the configuration is wrong' },

  async run(args, io) {
    const config = configured(args, io, { noSecrets: true, quiet: true });
    const { tools } = await pkiTools(config);
    const { name, thumbprint, subject, notAfterMs, file } = await tools.renew(homeOf(config), Date.now());
    const notAfter = isoText(notAfterMs);
    io.stdout.write(
      args.values['json'] === true
        ? `${JSON.stringify({ thumbprint, subject, notAfter, file })}\n`
        : `"${name}" (${thumbprint}), until ${notAfter.slice(0, 10)}, is in ${file}; have every server trust it\n`,
    );
    return 0;
  },
};
