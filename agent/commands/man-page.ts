import { singles, type ListedCommand } from './all.ts';
import { defaultFile, type Command } from './command.ts';
import { defaultProfileFolder } from '../config/profile-folder.ts';
import { exitsOf, optionText, usageOf } from './help.ts';

/** `sluice(1)` in the man macros. `version`: of the package. */
export function manPage(listed: readonly ListedCommand[], version: string): string {
  const commands = singles(listed);
  return `.\\" Made by: npm run generate
.TH SLUICE 1 "" "sluice ${version}" "User Commands"
.SH NAME
sluice \\- edge gateway agent: reads meters, keeps every reading, forwards it to Kafka
.SH SYNOPSIS
.B sluice
.I COMMAND
[\\fIFILE\\fR] [\\fIOPTIONS\\fR]
.SH DESCRIPTION
.B sluice
polls the meters and sensors of one site as its configuration says, keeps every reading durably on disk,
and forwards it to the central Kafka topics.
It can only read: no command is able to write to a device.
.PP
A configuration is JSON; comments and trailing commas are allowed.
It is
.I ${escaped(defaultFile)}
unless
.I FILE
names another. Where a FILE is read only once, \\- is standard input.
What stands behind \\-\\- is taken as it is.
.SH COMMANDS
${commands.map(commandText).join('\n')}
.SH EXIT STATUS
.TP
.B 0
fine
.TP
.B 1
it ran and something is bad
.TP
.B 2
the command line is wrong
.TP
.B 78
the configuration is wrong
.PP
What they mean for each command is said there.
.SH ENVIRONMENT
.TP
.B NO_COLOR
if set to anything, no colours are used; they are used on a terminal only
.TP
.B TMPDIR
where
.B sluice buffer
puts a copy of the segment that is being written to, up to 20 MB for a moment
.SH FILES
.TP
.I ${escaped(defaultFile)}
the configuration
.TP
.I ${escaped(defaultProfileFolder)}
profiles of meters that are not built in, a file each
.TP
.I /etc/sluice/secrets
passwords, where the configuration names files there; of the user that runs the daemon, mode 0600
.TP
.I /var/lib/sluice
the buffer and what else outlives a start, unless "stateDir" says otherwise
`;
}

function commandText(command: Command): string {
  const usage = usageOf(command)
    .slice('sluice '.length + command.name.length)
    .trim();
  const terms: [string, string][] = [
    ...command.arguments.map((one): [string, string] => [one.name, one.about]),
    ...Object.entries(command.options).map(([name, option]): [string, string] => [
      optionText(name, option),
      option.multiple === true ? `${option.about}; may stand several times` : option.about,
    ]),
  ];
  const codes = exitsOf(command).map(([code, meaning]) => `${code} ${meaning}`);
  return `.SS "sluice ${escaped(command.name)}"
.B sluice ${escaped(command.name)}
${usage === '' ? '' : `${escaped(usage)}\n`}.PP
${paragraph(command.about)}
${terms.map(([term, about]) => `.TP\n.B ${escaped(term)}\n${paragraph(about)}`).join('\n')}
${command.notes === undefined ? '' : `.PP\n.nf\n${lines(command.notes)}\n.fi\n`}.PP
Examples:
${command.examples.map(({ line, about }) => `.TP\n.B ${escaped(line)}\n${paragraph(about)}`).join('\n')}
.PP
Exit codes: ${escaped(codes.join(', '))}.`;
}

/** One sentence a line. */
function paragraph(text: string): string {
  return lines(text).replaceAll('. ', '.\n');
}

function lines(text: string): string {
  return text
    .split('\n')
    .map((line) => escaped(line))
    .join('\n');
}

/** No character of the text may be taken for a request or an escape. */
function escaped(text: string): string {
  const safe = text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('…', '...');
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}
