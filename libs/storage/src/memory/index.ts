export { MemoryShardStore, type MemoryShardStoreOptions } from './memory-shard-store.js';
