import type { Verdict } from './judge.ts';
import { count } from './view.ts';

/** What the demo says at its end. */
export function verdictTable({ counts, lost, problems }: Verdict): string[] {
  const rows = counts.map((each) => [
    each.stream,
    count(each.accepted),
    count(each.delivered),
    count(each.repeated),
    count(each.lost),
    each.consumed === null ? '-' : count(each.consumed),
  ]);
  const table = [['', 'accepted', 'delivered', 'repeated', 'lost', 'consumed'], ...rows].map(([name = '', ...cells]) =>
    [name.padEnd(16), ...cells.map((cell) => cell.padStart(10))].join(' '),
  );
  return [
    '',
    ...table,
    '',
    'accepted: written down by the gateway when the commit had returned. delivered, repeated: counted by reading',
    'everything from the beginning. consumed: rows in the databases of finance, reporting and the asset register.',
    '',
    ...problems.map((problem) => `PROBLEM ${problem}`),
    `lost ${count(lost)}${problems.length === 0 ? ', all counts agree' : ''}`,
  ];
}
