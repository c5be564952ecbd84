/**
 * Jest runs the sources, but a thread is Node's alone, and Node cannot load them: with these options it can.
 * Elsewhere threads run what was built.
 */
export const threadFromSources = {
  execArgv: ['--conditions=granary-source', '--import', new URL('./source-loader.mjs', import.meta.url).href],
};

/** For tests of what uses the metadata: a disk that stands still for seconds is no news for them. */
export const patientThread = { ...threadFromSources, deadlineMs: 30_000 };
