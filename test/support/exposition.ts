/**
 * Reads the text format 0.0.4 of Prometheus as strictly as its definition allows, by that definition alone: nothing of the writer is used.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function readExposition(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const samples: Sample[] = [];
  const seen = new Set<string>();
  const families = new Set<string>();
  let helped = '';
  let family = { name: '', type: '' };
  for (const line of text.slice(0, -1).split('\n')) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)$/.exec(line);
    if (help?.[1] !== undefined) {
      if (families.has(help[1])) fail('a family stands twice');
      families.add(help[1]);
      helped = help[1];
    } else if (type?.[1] !== undefined && type[2] !== undefined) {
      if (type[1] !== helped) fail('TYPE does not follow its HELP');
      if ((type[2] === 'counter') !== type[1].endsWith('_total')) fail('counters, and they alone, end in _total');
      family = { name: type[1], type: type[2] };
    } else {
      const sample = readSample(line) ?? fail('no line of the format');
      if (sample.name !== family.name) fail('a sample outside its family');
      const labels = Object.entries(sample.labels).map((label) => JSON.stringify(label));
      const identity = [sample.name, ...labels.toSorted()].join(' ');
      if (seen.has(identity)) fail('the same series twice');
      seen.add(identity);
      if (family.type === 'counter' && !(sample.value >= 0)) fail('a counter below zero');
      samples.push(sample);
    }
  }
  return samples;
}

function readSample(line: string): Sample | null {
  const found = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (found?.[1] === undefined || found[3] === undefined) return null;
  const labels: Record<string, string> = {};
  let rest = found[2] ?? '';
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(?:,(?=.)|$)/.exec(rest);
    if (label?.[1] === undefined || label[2] === undefined || label[1] in labels) return null;
    labels[label[1]] = label[2].replaceAll(/\\([\\"n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
    rest = rest.slice(label[0].length);
  }
  const isNumber = /^(?:[+-]Inf|NaN|-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$/.test(found[3]);
  return isNumber ? { name: found[1], labels, value: Number(found[3].replace('Inf', 'Infinity')) } : null;
}
