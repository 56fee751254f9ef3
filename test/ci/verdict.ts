/** Sums up vitest's JSON reports for CI: prints `N passed, N failed` and ends with 1 unless all passed and none was skipped. */
import { readFileSync } from 'node:fs';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
const sum = (of: (report: Report) => number): number => reports.reduce((total, report) => total + of(report), 0);
const skipped = reports.flatMap((report) =>
  report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => !['passed', 'failed'].includes(status)).map(({ fullName }) => fullName),
  ),
);
for (const name of skipped) console.log(`skipped, which CI counts as a failure: ${name}`);
const passed = sum((report) => report.numPassedTests);
const failed = sum((report) => report.numFailedTests) + skipped.length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
