export { putRequest } from './fixtures.js';
export { describeMetadataStore } from './metadata-store-suite.js';
export { patientThread, threadFromSources } from './thread-from-sources.js';
export type { MakeStores, StoresUnderTest } from './store-under-test.js';
