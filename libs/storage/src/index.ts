export { ATTRIBUTE_HEADERS, attributesOf } from './attributes.js';
export { breakConnection } from './break-connection.js';
export { BufferPool, transferBuffers, type BufferPoolOptions } from './buffer-pool.js';
export { checkPrecondition, wallClockStamps, type PresentCopy, type StampSource } from './commit-rules.js';
export { contentHash, type ContentHash, type ContentHasher } from './content-hash.js';
export { DataServerUnavailable, type UnavailableReason } from './data-server-unavailable.js';
export { DigestComputation, checkDigests, declaredAlgorithms, type DigestAlgorithm } from './declared-digests.js';
export type {
  ByteRange,
  CatalogEntry,
  CreateOptions,
  ExpectedDigests,
  ListedEntry,
  LocalShardStore,
  OpenOptions,
  Precondition,
  PutOptions,
  RangeSpec,
  RemoveOptions,
  RemoveResult,
  ShardAttributes,
  ShardCatalog,
  ShardInfo,
  ShardListing,
  ShardReader,
  ShardStore,
  ShardWriter,
  Sink,
  StoreUsage,
} from './shard-store.js';
export type { RequestSignature, RequestSigner, SignableRequest } from './request-signer.js';
export type { CallServer, ServerAnswer, ServerCall } from './server-call.js';
