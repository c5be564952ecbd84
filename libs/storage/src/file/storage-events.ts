import type { KeyHash } from '#contracts';

/** What an operator should hear of. */
export type StorageEvent =
  /** An object's bytes are not what they were. It answers `object-damaged` until it is overwritten or removed. */
  | { kind: 'object-damaged'; hash: KeyHash; where: string; reason: string }
  /** A damaged object was set aside. */
  | { kind: 'object-quarantined'; hash: KeyHash; path: string }
  /** Durable bytes of a pack can be told no key any more. */
  | { kind: 'bytes-lost'; path: string; bytes: number }
  /** A pack took no more writes after an error; writing goes on in a new one. */
  | { kind: 'pack-abandoned'; path: string; error: unknown }
  | { kind: 'pack-compacted'; path: string; reclaimedBytes: number }
  /** Undefined: there is space again. */
  | { kind: 'read-only'; reason: string | undefined }
  /** Work without a client failed; it is tried again. */
  | { kind: 'upkeep-failed'; doing: string; error: unknown };

export type StorageEventListener = (event: StorageEvent) => void;
