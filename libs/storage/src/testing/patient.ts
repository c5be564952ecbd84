import type { RemoteStoresOptions } from '../remote/remote-stores.js';

/** For tests of data servers that answer: how long that takes says nothing where the tests share a core. */
export const PATIENT = {
  connectMs: 20_000,
  continueMs: 20_000,
  answerMs: 20_000,
  probeMs: 20_000,
  commitMs: 20_000,
  stallMs: 20_000,
} satisfies RemoteStoresOptions;
