const isJson = 'sluice.json is JSON: { "version": 1, … }; `sluice init` writes one to start from';

/** What a file is that does not begin with a brace, as far as its first lines show. */
export function foreign(text: string): string | undefined {
  const line = /^(?!\s*(?:#|;|\/\/|$)).*$/m.exec(text)?.[0].trim() ?? '';
  if (line.startsWith('{')) return undefined;
  if (/^<[?!A-Za-z]/.test(line)) return `this looks like XML or HTML; ${isJson}`;
  if (/^\[+[\w. "-]+\]+$/.test(line) && /^\s*[\w."-]+\s*=/m.test(text)) return `this looks like TOML or INI; ${isJson}`;
  if (/^[\w."-]+\s*=/.test(line)) return `this looks like TOML or INI; ${isJson}`;
  if (/^(?:---|%YAML)/.test(line) || /^(?:- )?[\w.-]+:(?:\s|$)/.test(line)) return `this looks like YAML; ${isJson}`;
  if (/^"[^"]*"\s*:/.test(line)) return 'the file begins with { and ends with }; its outer braces are missing';
  return undefined;
}
