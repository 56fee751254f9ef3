import { dirname, resolve } from 'node:path';
import { TextDocument, getLanguageService, type JSONSchema } from 'vscode-json-languageservice';

/** A finding of the editor; `line` and `column` from 1, in characters. */
export interface Finding {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What VS Code does with a file and its JSON Schema: an independent validator, completion, and what is shown on hovering. */
export function editor(schema: unknown) {
  const service = getLanguageService({
    workspaceContext: {
      resolveRelativePath: (path, from) => `file://${resolve(dirname(new URL(from).pathname), path)}`,
    },
    // Only what stands beside the file: `"$schema": "./sluice.schema.json"`.
    schemaRequestService: (uri) =>
      uri === schemaUri ? Promise.resolve(JSON.stringify(schema)) : Promise.reject(new Error(`nothing at ${uri}`)),
  });
  service.configure({ validate: true, schemas: [{ uri: schemaUri, fileMatch: ['*'], schema: schema as JSONSchema }] });
  const opened = (text: string) => {
    const document = TextDocument.create('file:///site/sluice.json', 'jsonc', 1, text);
    return { document, json: service.parseJSONDocument(document) };
  };
  return {
    /** Comments and trailing commas are allowed, as in the configuration. */
    async findings(text: string): Promise<Finding[]> {
      const { document, json } = opened(text);
      const found = await service.doValidation(document, json, { comments: 'ignore', trailingCommas: 'ignore' });
      return found.map(({ range: { start }, message }) => {
        const offset = document.offsetAt(start);
        const before = text.slice(offset - start.character, offset);
        const said = typeof message === 'string' ? message : message.value;
        return { offset, line: start.line + 1, column: 1 + Array.from(before).length, message: said };
      });
    },

    /** What is offered at the `|` in the text, each with what is said of it. */
    async offers(marked: string): Promise<Map<string, string>> {
      const { document, json } = opened(marked.replace('|', ''));
      const list = await service.doComplete(document, document.positionAt(marked.indexOf('|')), json);
      const items = list?.items ?? [];
      return new Map(
        items.map(({ label, documentation: text = '' }) => [label, typeof text === 'string' ? text : text.value]),
      );
    },

    /** What is shown over the last `"KEY"` in the text. */
    async hover(text: string, key: string): Promise<string> {
      const { document, json } = opened(text);
      const shown = await service.doHover(document, document.positionAt(text.lastIndexOf(`"${key}"`) + 1), json);
      return JSON.stringify(shown?.contents ?? '');
    },
  };
}

const schemaUri = 'file:///site/sluice.schema.json';
