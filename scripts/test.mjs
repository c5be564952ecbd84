/**
 * `npm test [unit|e2e] [path patterns]`: specs beside their files in parallel, then the black-box tests in
 * lanes (test/harness/lane.ts), against a RabbitMQ for each lane and one PostgreSQL for the whole run. Where
 * they come from: tools/broker.ts, tools/postgres.ts. What is tried again, and what never is:
 * docs/decisions/0011-tests-side-by-side.md.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const PROJECTS = ['unit', 'e2e'];
/** What these promise of data holds always or not at all: who fails once has failed. */
const NEVER_AGAIN =
  /(crash-points|power-cut|concurrency|full-soak|full-history|full-loss|linearizability|metadata-sweep)\.spec\.ts$/;
/** Likewise for tests of other files that say so in their name. */
const PROMISES_OF_DATA =
  /acknowledged|is lost|torn|wrong byte|other bytes|never bytes|old or new|still whole|nothing old|newest|one current copy/;
/** More files than that fail of one cause, which is not the machine. */
const MAX_FILES_AGAIN = 3;
const TIMES_AGAIN = 2;
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
let runs = 0;
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
  const files = [];
  for (const project of projects) if (!interrupted) files.push(...(await runJest(project, args)));
  const failed = files.filter(({ status }) => status === 'failed');
  const unsteady = await passAgain(failed);
  // Once more in short, at the end, where they are found.
  for (const file of failed) tell(unsteady.includes(file) ? 'UNSTEADY' : 'FAILED', file);
  const passed = files.flatMap(file => file.assertionResults.filter(({ status }) => status === 'passed')).length;
  console.log(summary(passed, failed, unsteady));
  return failed.length === unsteady.length && passed > 0 && !interrupted;
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

/** Resolves to what Jest says of each file. */
async function runJest(project, patterns) {
  const output = join(scratch, `${project}-${(runs += 1)}.json`);
  const jestArgs = ['--selectProjects', project, '--json', `--outputFile=${output}`, '--passWithNoTests'];
  // What a failed test left open must not keep the run from ending.
  if (project === 'e2e') jestArgs.push('--forceExit', `--maxWorkers=${brokers.length}`);
  // Jest would leave a core of two for itself.
  else jestArgs.push('--maxWorkers=100%');
  if (patterns.length > 0) jestArgs.push('--testPathPatterns', ...patterns);
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
  if (existsSync(output)) return JSON.parse(readFileSync(output, 'utf8')).testResults;
  return [
    { name: join(root, project), status: 'failed', message: 'Jest ended without a result.', assertionResults: [] },
  ];
}

/** Runs black-box files that failed beside others again, alone. Resolves to those that then passed each time. */
async function passAgain(failed) {
  const again = failed.filter(mayTryAgain);
  const passed = [];
  if (failed.length > MAX_FILES_AGAIN) return passed;
  for (const file of again) if (await passesAlone(file.name)) passed.push(file);
  return passed;
}

function mayTryAgain({ name, assertionResults }) {
  const isBlackBox = relative(root, name).startsWith('test/');
  const broken = assertionResults.filter(({ status }) => status === 'failed');
  return isBlackBox && !NEVER_AGAIN.test(name) && !broken.some(({ fullName }) => PROMISES_OF_DATA.test(fullName));
}

async function passesAlone(path) {
  for (let time = 1; time <= TIMES_AGAIN && !interrupted; time += 1) {
    console.log(`Alone, ${time} of ${TIMES_AGAIN}: ${relative(root, path)}`);
    const files = await runJest('e2e', [path]);
    if (files.length === 0 || files.some(({ status }) => status === 'failed')) return false;
  }
  return !interrupted;
}

function tell(word, { name, message, assertionResults }) {
  const file = relative(root, name);
  const failed = assertionResults.filter(({ status }) => status === 'failed');
  if (failed.length === 0) console.log(`${word} ${file}\n${shortened(message)}`);
  for (const { fullName, failureMessages } of failed) {
    console.log(`${word} ${file}: ${fullName}\n${shortened(failureMessages.join('\n'))}`);
  }
}

function summary(passed, failed, unsteady) {
  const parts = [`${passed} passed`, `${failuresIn(failed) - failuresIn(unsteady)} failed`];
  if (unsteady.length > 0) {
    parts.push(`${failuresIn(unsteady)} UNSTEADY (failed once, then passed ${TIMES_AGAIN} times alone)`);
  }
  return `${parts.join(', ')}${interrupted ? ' (interrupted)' : ''}`;
}

/** A file that fails without a failed test, in its preparations say, counts as one. */
function failuresIn(files) {
  const failures = files.map(file => file.assertionResults.filter(({ status }) => status === 'failed').length);
  return failures.reduce((sum, count) => sum + Math.max(count, 1), 0);
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
