/** The dependency rules of ARCHITECTURE.md, each with its reason. Run by `npm run check`. */
const LIB = 'libs/[^/]+/';
const onlyLibs = (lib, allowed) => ({
  name: `${lib}-imports`,
  comment: `libs/${lib} may import ${allowed.length > 0 ? allowed.map(name => `libs/${name}`).join(', ') : 'no other lib'}, so that it can be read, tested and replaced alone.`,
  severity: 'error',
  from: { path: `^libs/${lib}/`, pathNot: '(\\.spec\\.ts$|/testing/)' },
  to: { path: `^${LIB}`, pathNot: `^libs/(${[lib, ...allowed].join('|')})/` },
});

export default {
  forbidden: [
    onlyLibs('contracts', []),
    onlyLibs('time', []),
    onlyLibs('erasure', []),
    onlyLibs('config', ['contracts']),
    onlyLibs('telemetry', ['contracts']),
    onlyLibs('mq', ['contracts', 'time']),
    onlyLibs('storage', ['contracts', 'time']),
    onlyLibs('metadata', ['contracts', 'time']),
    onlyLibs('cluster', ['contracts']),
    onlyLibs('secret', ['contracts', 'config']),
    onlyLibs('http', ['contracts', 'storage', 'telemetry', 'time']),
    onlyLibs('nest', ['contracts', 'mq', 'http', 'telemetry', 'config']),
    {
      name: 'libs-never-import-apps',
      comment: 'Apps are composed of libs, never the other way round.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'apps-never-import-apps',
      comment: 'An app that needs code of another has found a lib. Only standalone composes the two servers.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: '^apps/standalone/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'standalone-imports-module-files',
      comment:
        'Standalone composes the two servers through their composition roots and their configuration, and knows nothing else of them.',
      severity: 'error',
      from: { path: '^apps/standalone/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^apps/(api-server|data-server)/', pathNot: '(\\.module|/config)\\.ts$' },
    },
    {
      name: 'nest-at-the-edge',
      comment:
        'Operations and libs are plain TypeScript: they run, and are tested, without a framework. libs/nest is where the framework is adapted.',
      severity: 'error',
      from: {
        path: '^(apps|libs)/',
        pathNot: '(^libs/nest/|/main\\.ts$|\\.module\\.ts$|\\.controller\\.ts$|\\.task\\.ts$|\\.spec\\.ts$)',
      },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'adapters-are-named-at-the-root',
      comment: 'Only composition roots and tests choose a concrete adapter; everything else is written to the port.',
      severity: 'error',
      from: {
        path: '^(apps|libs)/',
        pathNot:
          '(\\.module\\.ts$|/main\\.ts$|\\.spec\\.ts$|/testing/|^libs/(mq/src/(rabbitmq|memory|signed)|storage/src/(file|memory|remote|frames)|metadata/src/(sqlite|postgres))/)',
      },
      to: {
        path: '^libs/(mq/src/(rabbitmq|memory|signed)|storage/src/(file|memory|remote|frames)|metadata/src/(sqlite|postgres))/',
      },
    },
    {
      name: 'no-tests-in-production',
      comment: 'Contract suites and specs are for tests.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '(\\.spec\\.ts$|/testing/)' },
      to: { path: '(\\.spec\\.ts$|/testing/|^test/)' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that import each other are one idea in two places.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-undeclared-packages',
      comment: 'What the running program imports must be among the production dependencies.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '(\\.spec\\.ts$|/testing/)' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere. Node has node:sqlite from 22 on; older ones are asked before.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^node:sqlite$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['granary-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
};
