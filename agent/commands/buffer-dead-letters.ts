import type { KeptLetter } from '../../buffer/dead-letters.ts';
import { messageOf } from '../errors.ts';
import { asked, folderOption, looking, noBufferYet } from './buffer-folder.ts';
import { fileArgument, type Command } from './command.ts';
import { counted, isoText, LongPrint } from './printing.ts';

export const bufferDeadLetters: Command = {
  name: 'buffer dead-letters',
  about:
    'Records that the broker refused for good, oldest first, with the reason. They stay where they are: nothing sends or removes them.',
  arguments: [fileArgument],
  options: {
    json: {
      about: 'one line per letter: {"refused","stream","epoch","seq","reason","key","value"}; "value" is the record',
    },
    folder: folderOption,
  },
  examples: [
    { line: 'sluice buffer dead-letters', about: 'what was refused, and why' },
    { line: 'sluice buffer dead-letters --json', about: 'with the records themselves' },
  ],
  exits: { 0: 'fine, whether there are any or not', 1: 'some cannot be read', 78: 'the configuration is wrong' },

  run(args, io) {
    const where = asked(args, io);
    const json = args.values['json'] === true;
    return looking(
      where,
      () => {
        io.stderr.write(`${noBufferYet(where.folder)}\n`);
        return 0;
      },
      async (view) => {
        const printed = new LongPrint(io.stdout, io.signal);
        let count = 0;
        let damaged = 0;
        try {
          for (const letter of view.deadLetters()) {
            if (letter.isSound) count += 1;
            else damaged += 1;
            if (letter.isSound && !(await printed.line(json ? jsonOf(letter) : textOf(letter)))) break;
          }
        } catch (error) {
          io.stderr.write(`${where.folder}: the dead letters cannot be read: ${messageOf(error)}\n`);
          return 1;
        }
        if (damaged > 0) io.stderr.write(`${counted(damaged, 'damaged letter')} left out\n`);
        if (!json) io.stdout.write(`${count === 0 ? 'no dead letters' : counted(count, 'dead letter')}\n`);
        return damaged > 0 ? 1 : 0;
      },
    );
  },
};

function textOf({ wallMs, stream, key, reason, epoch, seq }: KeptLetter): string {
  return `${isoText(wallMs)}  ${stream}  ${key}  ${epoch}/${seq}  ${reason}`;
}

function jsonOf({ wallMs, stream, epoch, seq, reason, key, value }: KeptLetter): string {
  const head = JSON.stringify({ refused: isoText(wallMs), stream, epoch, seq, reason, key });
  return `${head.slice(0, -1)},"value":${value ?? 'null'}}`;
}
