import { allOf } from './all.ts';
import { fileArgument, type Command, type CommandTable } from './command.ts';
import { bashCompletion } from './completion-bash.ts';
import { zshCompletion } from './completion-zsh.ts';
import { configured } from './configured.ts';

/** `table`: what is completed. */
export function completionOf(table: CommandTable): Command {
  return {
    name: 'completion',
    about: 'Prints the script by which a shell completes commands, options, files and device ids.',
    arguments: [
      {
        name: 'SHELL',
        required: true,
        choices: ['bash', 'zsh', 'devices'],
        about: 'bash, zsh; or devices: the ids in FILE, one a line, which the scripts ask for',
      },
      fileArgument,
    ],
    options: {},
    examples: [
      { line: 'sluice completion bash > /usr/share/bash-completion/completions/sluice', about: 'for everybody' },
      { line: 'sluice completion zsh > /usr/local/share/zsh/site-functions/_sluice', about: 'the same for zsh' },
      { line: 'sluice completion devices site.json', about: 'which devices there are' },
    ],
    exits: { 0: 'fine', 78: 'the configuration is wrong (devices)' },

    async run(args, io) {
      const [shell] = args.positionals;
      if (shell === 'devices') {
        const rest = { ...args, positionals: args.positionals.slice(1) };
        const config = configured(rest, io, { noSecrets: true, quiet: true });
        for (const { devices } of config.connections) for (const { id } of devices) io.stdout.write(`${id}\n`);
        return 0;
      }
      const listed = await allOf(table);
      io.stdout.write(shell === 'zsh' ? zshCompletion(listed) : bashCompletion(listed));
      return 0;
    },
  };
}
