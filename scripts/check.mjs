/** Everything that is checked without running the program: format, lint, types, dependency rules, the assembled kernel, generated docs. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

const npx = (...args) => ['npx', '--no-install', ...args];
/** @type {[string, string[]][]} */
const CHECKS = [
  ['format', npx('prettier', '--check', '--log-level', 'warn', '.')],
  ['lint', npx('oxlint', '--type-aware', `--threads=${availableParallelism()}`)],
  ['types', npx('tsc', '--noEmit')],
  [
    'dependency rules',
    npx(
      'depcruise',
      '--config',
      '.dependency-cruiser.mjs',
      '--output-type',
      'err',
      'apps',
      'libs',
      'tools',
      'bench',
      'test',
    ),
  ],
  ['erasure kernel', ['npm', 'run', '--silent', 'kernel', '--', '--check']],
  ['generated docs', ['npm', 'run', '--silent', 'docs', '--', '--check']],
];

const failed = [];
for (const [name, [command, ...args]] of CHECKS) {
  process.stdout.write(`check: ${name} … `);
  const result = spawnSync(command, args, { encoding: 'utf8', shell: process.platform === 'win32' });
  console.log(result.status === 0 ? 'ok' : 'FAILED');
  if (result.status !== 0) {
    failed.push(name);
    process.stdout.write(result.stdout ?? '');
    process.stderr.write(result.stderr ?? '');
  }
}
if (failed.length > 0) {
  console.error(`check failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
