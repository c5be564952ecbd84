import { cpus, totalmem } from 'node:os';
import type { Verdict } from './goals.js';
import type { Part } from './part.js';
import type { Measurement } from './summary.js';

export interface Report {
  startedAt: string;
  command: string;
  rounds: number;
  secondsPerRound: number;
  warmUpSeconds: number;
  /** The target whose figures the ratios are against. */
  base: string;
  parts: readonly Part[];
  verdicts: readonly Verdict[];
}

/** The report as a person reads it: a table per scenario and the peaks of each part, then the goals. */
export function toMarkdown(report: Report): string {
  return [
    `# Benchmark of ${report.startedAt}`,
    '',
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${gibibytes(totalmem())} GiB. ` +
      `${report.rounds} rounds of ${report.secondsPerRound} s per scenario and target, those of a part in turns; warm-up ${report.warmUpSeconds} s each. ` +
      'Load generator, servers and disk share this machine. PUT: fresh keys; overwrites apart. ' +
      'CPU: all processes of the target, user and system.',
    '',
    `\`${report.command}\``,
    '',
    ...report.parts.flatMap(part => partSection(part, report.base)),
    '## Goals',
    '',
    ...table(
      ['verdict', 'goal', 'measured'],
      report.verdicts.map(({ verdict, goal, measured }) => [verdict, goal, measured]),
    ),
  ].join('\n');
}

function partSection({ name, measurements, peakRss }: Part, base: string): string[] {
  const scenarios = [...new Set(measurements.map(measurement => measurement.scenario))];
  return [
    `## ${name}`,
    '',
    ...scenarios.flatMap(scenario =>
      scenarioTable(
        measurements.filter(measurement => measurement.scenario === scenario),
        base,
      ),
    ),
    '### Peak RSS',
    '',
    ...table(
      ['target', 'processes', 'largest, MiB', 'together, MiB'],
      peakRss.map(peak => [
        peak.target,
        String(peak.processes),
        mebibytes(peak.largestBytes),
        mebibytes(peak.sumBytes),
      ]),
    ),
  ];
}

function scenarioTable(rows: readonly Measurement[], baseName: string): string[] {
  const base = rows.find(row => row.target === baseName);
  return [
    `### ${rows[0]?.title ?? ''}`,
    '',
    ...table(
      [
        'target',
        'requests/s',
        'MB/s',
        'p50 ms',
        'p99 ms',
        'CPU µs/op',
        'ns/byte',
        'errors',
        'rate ×',
        'CPU ×',
        'generator µs/op',
      ],
      rows.map(row => [
        row.target,
        number(row.requestsPerSecond),
        number(row.megabytesPerSecond),
        number(row.p50Ms),
        number(row.p99Ms),
        number(row.cpuMicrosPerOperation),
        number(row.cpuNanosPerByte),
        row.errors === 0 ? '0' : `${row.errors} (${row.firstError ?? ''})`,
        number(quotient(row.requestsPerSecond, base?.requestsPerSecond)),
        number(quotient(row.cpuMicrosPerOperation, base?.cpuMicrosPerOperation)),
        number(row.generatorCpuMicrosPerOperation),
      ]),
    ),
  ];
}

function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map(width => '-'.repeat(width))), ...rows.map(line), ''];
}

function quotient(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined || base === 0 ? undefined : value / base;
}

function number(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(0);
}
