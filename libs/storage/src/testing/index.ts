export { describeShardStore } from './shard-store-suite.js';
export { ALL_ABILITIES, type MakeStore, type StoreAbilities, type StoreUnderTest } from './store-under-test.js';
export { collectInto, detach } from './fixtures.js';
export { MeteredStore } from './metered-store.js';
export { PATIENT } from './patient.js';
