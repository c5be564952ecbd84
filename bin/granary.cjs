#!/usr/bin/env node
'use strict';
// Starts one of the programs: granary api-server | data-server | standalone.
// libuv reads UV_THREADPOOL_SIZE when its pool is first used, which loading an ES module already does:
// so it is set here, in CommonJS, before anything is imported. Its default of 4 lets four slow disk
// calls stall every other file operation and DNS.
process.env.UV_THREADPOOL_SIZE ??= '16';

const { existsSync } = require('node:fs');
const { enableCompileCache } = require('node:module');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { setFlagsFromString } = require('node:v8');

// Loading thousands of small modules would otherwise grow the young generation to 32 MiB, for good.
// Once it serves, the program lets it grow again (libs/http/src/garbage.ts).
setFlagsFromString('--semi-space-growth-factor=1');

// From Node 22 on, compiled code is kept between starts.
enableCompileCache?.();

const PROGRAMS = ['api-server', 'data-server', 'standalone'];
const program = process.argv[2] ?? '';
const main = join(__dirname, '..', 'dist', 'programs', `${program}.js`);
const usage = `usage: granary ${PROGRAMS.join('|')} [--help]`;
if (program === '--help') {
  console.log(`${usage}\n\nEach program lists its variables with --help.`);
} else if (!PROGRAMS.includes(program)) {
  console.error(usage);
  process.exitCode = 1;
} else if (!existsSync(main)) {
  console.error('Granary is not built yet: run `npm run build` first.');
  process.exitCode = 1;
} else {
  void import(pathToFileURL(main).href);
}
