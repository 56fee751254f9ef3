import type { Command, CommandGroup, CommandTable } from './command.ts';

/** A command with its place in the table; `group`: the words before it, none at the top. */
export interface ListedCommand {
  readonly word: string;
  readonly summary: string;
  readonly command: Command | ListedGroup;
}

export interface ListedGroup extends CommandGroup {
  readonly listed: readonly ListedCommand[];
}

/** The whole table, loaded: for completion and manual, which are about all of it. */
export async function allOf(table: CommandTable): Promise<ListedCommand[]> {
  return Promise.all(
    Object.entries(table).map(async ([word, { summary, load }]) => {
      const command = await load();
      if (!('commands' in command)) return { word, summary, command };
      return { word, summary, command: { ...command, listed: await allOf(command.commands) } };
    }),
  );
}

/** Every single command, those of groups among them. */
export function singles(listed: readonly ListedCommand[]): Command[] {
  return listed.flatMap(({ command }) => ('listed' in command ? singles(command.listed) : [command]));
}
