import type { MetadataStore } from '../metadata-store.js';

export interface StoresUnderTest {
  /** Two stores over one database, as two API servers have them. */
  stores: readonly [MetadataStore, MetadataStore];
  dispose(): Promise<void>;
}

/** Makes an empty database. */
export type MakeStores = () => Promise<StoresUnderTest>;

/** What the cases get. */
export interface SuiteContext {
  store(): MetadataStore;
  /** Of another API server. */
  other(): MetadataStore;
}
