/**
 * `npm test [unit|e2e] [path patterns]`: specs beside their files in parallel, then the black-box tests in
 * lanes (docs/decisions/0011-tests-side-by-side.md), against a RabbitMQ for each lane and one PostgreSQL for
 * the whole run. Where they come from: tools/broker.ts, tools/postgres.ts.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const PROJECTS = ['unit', 'e2e'];
/** More than two were never tried. */
const MAX_LANES = 2;
const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
const projects = PROJECTS.includes(args[0]) ? [args.shift()] : PROJECTS;
const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
// Everything that the tests leave behind lies here, and goes with it.
const scratch = mkdtempSync(join(tmpdir(), 'granary-test-'));
// A database runs as another user, and must find its own directory in here.
chmodSync(scratch, 0o711);
process.env.TMPDIR = scratch;

const brokers = [];
let postgres;
let running;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    running?.kill(signal);
  });
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await Promise.all(brokers.map(broker => broker.stop()));
  await postgres?.stop();
  endLeftBehind();
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}

async function main() {
  if (spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' }).status !== 0) {
    throw new Error('The build failed.');
  }
  if (projects.includes('e2e')) await startServices();
  const total = { passed: 0, failed: 0 };
  const failures = [];
  for (const project of projects) {
    if (interrupted) break;
    const results = await runJest(project);
    total.passed += results.numPassedTests;
    total.failed += results.numFailedTests + results.numRuntimeErrorTestSuites;
    failures.push(...failuresOf(results));
  }
  // Once more in short, at the end, where they are found.
  for (const failure of failures) console.log(failure);
  console.log(`${total.passed} passed, ${total.failed} failed${interrupted ? ' (interrupted)' : ''}`);
  return total.failed === 0 && total.passed > 0 && !interrupted;
}

async function startServices() {
  const { startBroker } = await import('../dist/tools/broker.js');
  const lanes = Math.min(MAX_LANES, availableParallelism());
  do {
    const broker = await startBroker();
    brokers.push(broker);
    console.log(`Broker: ${broker.origin}`);
    // The exchanges' names are the protocol's: a broker that was given to us has room for one cluster.
  } while (brokers.at(-1).owned && brokers.length < lanes);
  const { startPostgres } = await import('../dist/tools/postgres.js');
  postgres = await startPostgres();
  console.log(`Database: ${postgres.origin}`);
}

async function runJest(project) {
  const output = join(scratch, `${project}.json`);
  const jestArgs = ['--selectProjects', project, '--json', `--outputFile=${output}`, '--passWithNoTests'];
  // What a failed test left open must not keep the run from ending.
  if (project === 'e2e') jestArgs.push('--forceExit', `--maxWorkers=${brokers.length}`);
  // Jest would leave a core of two for itself.
  else jestArgs.push('--maxWorkers=100%');
  if (args.length > 0) jestArgs.push('--testPathPatterns', ...args);
  running = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', jest, ...jestArgs], {
    cwd: root,
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules`.trim(),
      TEST_BROKERS: brokers.map(({ url }) => url).join(' '),
      ...(postgres === undefined ? {} : { POSTGRES_URL: postgres.url }),
    },
    // Jest prints its report to stderr, and its JSON to stdout too.
    stdio: ['inherit', 'ignore', 'inherit'],
  });
  await new Promise((resolve, reject) => running.once('exit', resolve).once('error', reject));
  if (!existsSync(output)) {
    return { numPassedTests: 0, numFailedTests: 0, numRuntimeErrorTestSuites: interrupted ? 0 : 1, testResults: [] };
  }
  return JSON.parse(readFileSync(output, 'utf8'));
}

function failuresOf({ testResults }) {
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const file = relative(root, name);
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    if (failed.length === 0 && message !== '') return [`FAILED ${file}\n${shortened(message)}`];
    return failed.map(
      ({ fullName, failureMessages }) => `FAILED ${file}: ${fullName}\n${shortened(failureMessages.join('\n'))}`,
    );
  });
}

function shortened(text) {
  return stripVTControlCharacters(text)
    .split('\n')
    .slice(0, 12)
    .map(line => `    ${line.slice(0, 300)}`)
    .join('\n');
}

/** Brokers and databases of tests that could not end them any more (tools/broker/native-broker.ts and tools/postgres/native-postgres.ts write their pids). */
function endLeftBehind() {
  for (const name of readdirSync(scratch).filter(name => /^granary-(broker|postgres)-/.test(name))) {
    const file = join(scratch, name, 'pids');
    if (!existsSync(file)) continue;
    const pids = readFileSync(file, 'utf8').split('\n').map(Number).filter(Boolean);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
  }
}
