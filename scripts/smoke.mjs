/**
 * A smoke pass on whatever Node runs this: standalone from dist, a few objects, a stop, a second start
 * that finds them. `npx --ignore-scripts=false -y -p node@24 node scripts/smoke.mjs 24` tries the Node that
 * the containers use: the package sets up its binary by a script, without which npx runs the machine's Node
 * and says nothing. Hence the argument, the major version that it must be.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const [, , major] = process.argv;
assert.ok(major === undefined || process.version.startsWith(`v${major}.`), `Node ${major}, not ${process.version}`);

const root = await mkdtemp(join(tmpdir(), 'granary-smoke-'));
const port = await freePorts(7);
const url = `http://127.0.0.1:${port}`;
const small = randomBytes(1000);
const large = randomBytes(3_000_000);

try {
  let server = await start();
  assert.equal((await fetch(`${url}/objects/small`, { method: 'PUT', body: small })).status, 200);
  assert.equal((await fetch(`${url}/objects/a/large%20one`, { method: 'PUT', body: large })).status, 200);
  assert.equal((await fetch(`${url}/objects/gone`, { method: 'PUT', body: 'x' })).status, 200);
  assert.equal((await fetch(`${url}/objects/gone`, { method: 'DELETE' })).status, 204);
  await stop(server);
  server = await start();
  assert.deepEqual(await body('/objects/small'), small);
  assert.deepEqual(await body('/objects/a%2Flarge%20one'), large);
  assert.equal((await fetch(`${url}/objects/gone`)).status, 404);
  await stop(server);
  console.log(`smoke: ok on Node ${process.version}`);
} finally {
  await rm(root, { recursive: true, force: true });
}

async function start() {
  const directories = [1, 2, 3, 4, 5, 6].map(n => join(root, String(n))).join(',');
  const child = spawn(process.execPath, [join(import.meta.dirname, '../bin/granary.cjs'), 'standalone'], {
    env: {
      ...process.env,
      LISTEN_ADDRESS: `127.0.0.1:${port}`,
      STORAGE_ROOT: directories,
      METADATA_URL: `sqlite:${join(root, 'metadata.db')}`,
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (let tries = 0; tries < 300; tries += 1) {
    assert.equal(child.exitCode, null, `standalone ended with code ${child.exitCode}`);
    const ready = await fetch(`${url}/health/ready`).then(
      response => response.status === 200,
      () => false,
    );
    if (ready) return child;
    await delay(100);
  }
  child.kill('SIGKILL');
  throw new Error('standalone was not ready within 30 s');
}

/** @param {import('node:child_process').ChildProcess} child */
async function stop(child) {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await ended;
  assert.equal(code, 0, 'standalone stops cleanly');
}

/** @param {string} path */
async function body(path) {
  const response = await fetch(url + path);
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}

/** The first of `count` neighbouring ports that were free a moment ago. @param {number} count */
async function freePorts(count) {
  for (let tries = 0; tries < 50; tries += 1) {
    const first = 20_000 + Math.floor(Math.random() * 20_000);
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (free.every(Boolean)) return first;
  }
  throw new Error('no free ports');
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise(resolve => {
    const probe = createServer()
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
