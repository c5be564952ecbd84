import type { it } from '@jest/globals';
import type { LocalShardStore, ShardCatalog, ShardStore } from '../shard-store.js';

/** What an implementation can do. What it lacks stands in the title of its suite, and its cases are left out. */
export interface StoreAbilities {
  /** It has the bytes itself: it implements ShardCatalog and LocalShardStore too. */
  catalog: boolean;
  remove: boolean;
  preconditions: boolean;
  /** It keeps stamps, moves and tombstones. */
  stamps: boolean;
  /** It checks declared digests. */
  digests: boolean;
  /** It keeps attributes, and tells entity tags, CRCs and times. */
  metadata: boolean;
  /** A write that ends early, or is aborted, leaves the old state. */
  atomicWrites: boolean;
  /** A reader goes on undisturbed when its object is overwritten or removed. */
  steadyReaders: boolean;
}

export const ALL_ABILITIES: StoreAbilities = {
  catalog: true,
  remove: true,
  preconditions: true,
  stamps: true,
  digests: true,
  metadata: true,
  atomicWrites: true,
  steadyReaders: true,
};

export interface StoreUnderTest {
  store: ShardStore;
  catalog?: ShardCatalog & LocalShardStore;
  dispose(): Promise<void>;
}

/** Makes an empty store. */
export type MakeStore = () => Promise<StoreUnderTest>;

/** As much of `it` as the cases use. */
export interface ConditionalTest {
  (title: string, test: Parameters<typeof it>[1], timeoutMs?: number): void;
  each: (typeof it)['each'];
}

/** What the cases get: the store of this run, and `it` or nothing by ability. */
export interface SuiteContext {
  store(): ShardStore;
  catalog(): ShardCatalog & LocalShardStore;
  itIf(ability: keyof StoreAbilities): ConditionalTest;
}
