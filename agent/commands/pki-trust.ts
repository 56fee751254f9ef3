import { homeOf } from '../config/site-config.ts';
import { fileArgument, type Command } from './command.ts';
import { configured } from './configured.ts';
import { pkiTools } from './pki-tools.ts';

export const pkiTrust: Command = {
  name: 'pki trust',
  about: `Believes a server that was refused. Compare its thumbprint with what the server shows of itself first.
A running daemon connects at its next attempt, within seconds.`,
  arguments: [
    {
      name: 'WHICH',
      about:
        'the beginning of a thumbprint, or the name in its certificate, of one that was refused; or a file: the certificate of a server or of an authority, or a revocation list',
      required: true,
    },
    fileArgument,
  ],
  options: { json: { about: 'one JSON value: {"thumbprint","subject","file"}' } },
  examples: [
    { line: 'sluice pki trust 3f2a9c01d6e4', about: 'as the log or `sluice read` names it' },
    { line: 'sluice pki trust plant-ca.crt', about: 'an authority: then plant-ca.crl too, its revocation list' },
  ],
  exits: { 0: 'it is trusted', 1: 'it cannot be kept', 78: 'the configuration is wrong' },

  async run({ values, positionals }, io) {
    const [which = '', ...rest] = positionals;
    const config = configured({ values, positionals: rest }, io, { noSecrets: true, quiet: true });
    const { tools } = await pkiTools(config);
    const { entry, isOld, besides } = await tools.trust(homeOf(config), which);
    if (values['json'] === true) {
      const { thumbprint = null, subject = null, file = null } = entry ?? {};
      io.stdout.write(`${JSON.stringify({ thumbprint, subject, file })}\n`);
      return 0;
    }
    const what = entry === null ? `the revocation list ${which}` : `"${entry.name}" (${entry.thumbprint})`;
    io.stdout.write(`${what} is ${entry === null ? 'taken' : isOld ? 'trusted already' : 'trusted now'}\n`);
    for (const other of besides)
      io.stdout.write(
        `"${other.name}" (${other.thumbprint}) of the same server stays trusted; to end that, remove ${other.file}\n`,
      );
    return 0;
  },
};
