import { publishedSchema, publishedSchemas, type PublishedSchema } from '../schemas/published.ts';
import type { Command, CommandEntry, CommandGroup, Example } from './command.ts';

const names = Object.keys(publishedSchemas) as PublishedSchema[];

const beside: Example = {
  line: 'sluice schema config > sluice.schema.json',
  about: 'beside sluice.json, which names it: "$schema": "./sluice.schema.json"',
};

function printing(name: PublishedSchema): CommandEntry {
  const { says } = publishedSchemas[name];
  const command: Command = {
    name: `schema ${name}`,
    about: `Prints the JSON Schema (draft-07) of ${says}.`,
    arguments: [],
    options: { json: { about: 'the same; it is JSON anyway' } },
    examples: [name === 'config' ? beside : { line: `sluice schema ${name}`, about: 'to look at, or into a file' }],
    exits: { 0: 'fine' },
    run(_args, { stdout }) {
      stdout.write(publishedSchema(name));
      return Promise.resolve(0);
    },
  };
  return { summary: says, load: () => Promise.resolve(command) };
}

export const schema: CommandGroup = {
  name: 'schema',
  about: 'Prints what is published for editors and consumers.',
  commands: {
    ...Object.fromEntries(names.map((name) => [name, printing(name)])),
    topics: {
      summary: 'what creates the topics in Kafka',
      load: async () => (await import('./schema-topics.ts')).schemaTopics,
    },
  },
};
