/**
 * The last step of `npm run build`: each program, with the packages it uses, becomes a few files in dist/programs/.
 * Node takes longer to find and link hundreds of small modules than to run what is in them
 * (docs/decisions/0007-bundled-programs.md). Works on what swc compiled, which alone knows the types of decorators.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const root = join(import.meta.dirname, '..');
const PROGRAMS = ['api-server', 'data-server', 'standalone'];
/** What programs start by URL lies beside them under its own name. */
const THREADS = ['libs/metadata/src/sqlite/commit-thread.js'];
const PACKAGES = /[\\/]node_modules[\\/]/;
/** Packages with machine code, and what Nest and pg only ask for when somebody installed it. */
const EXTERNAL = [
  /^@(napi|node)-rs\//,
  'libsql',
  'pg-native',
  'class-transformer',
  'class-validator',
  /^@nestjs\/websockets\//,
  '@nats-io/transport-node',
  'ioredis',
  'kafkajs',
  'mqtt',
];

const bundle = await rolldown({
  cwd: root,
  platform: 'node',
  input: {
    ...Object.fromEntries(PROGRAMS.map(program => [program, `dist/apps/${program}/src/main.js`])),
    ...Object.fromEntries(THREADS.map(thread => [thread.replace(/^.*\/|\.js$/g, ''), `dist/${thread}`])),
  },
  external: EXTERNAL,
  plugins: [sourceMaps(), threadsLieBeside()],
  onLog(level, log) {
    // A package that is not found would be missed when the program starts, or worse, later.
    if (level === 'warn') throw new Error(`bundle: ${log.message}`);
  },
});
await bundle.write({
  dir: join(root, 'dist', 'programs'),
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  sourcemap: true,
  sourcemapExcludeSources: true,
});

/** Of our own code, back to the TypeScript; those of all the packages would be fifty times as large. @returns {import('rolldown').Plugin} */
function sourceMaps() {
  return {
    name: 'source-maps',
    load: {
      filter: { id: { include: /[\\/]dist[\\/]/, exclude: PACKAGES } },
      handler: async id => ({ code: await readFile(id, 'utf8'), map: await readFile(`${id}.map`, 'utf8') }),
    },
    transform: {
      filter: { id: PACKAGES },
      handler: code => ({ code, map: { mappings: '' } }),
    },
  };
}

/** A thread that was not bundled would be missed when it is first started. @returns {import('rolldown').Plugin} */
function threadsLieBeside() {
  return {
    name: 'threads-lie-beside',
    generateBundle(_options, files) {
      for (const file of Object.values(files)) {
        if (file.type !== 'chunk') continue;
        for (const [, name] of file.code.matchAll(/new URL\(['"]\.\/([^'"]+)['"], import\.meta\.url\)/g)) {
          if (!(name in files)) throw new Error(`bundle: ${file.fileName} starts ${name}, which is not among THREADS`);
        }
      }
    },
  };
}
