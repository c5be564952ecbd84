import { createBLAKE3 } from 'hash-wasm';

/** BLAKE3-256, which entity tags are made of. */
export interface ContentHash {
  /** In one call; the way for small objects. */
  of(bytes: Buffer): Buffer;
  /** For bytes that come in pieces. */
  hasher(): Promise<ContentHasher>;
}

export interface ContentHasher {
  update(bytes: Buffer): void;
  digest(): Buffer;
}

/** The prebuilt native package. Throws where it has no binary for the platform. */
export async function nativeContentHash(): Promise<ContentHash> {
  const { blake3, Blake3Hasher } = await import('@napi-rs/blake-hash');
  return {
    of: bytes => blake3(bytes),
    hasher: async () => {
      const hasher = new Blake3Hasher();
      return { update: bytes => void hasher.update(bytes), digest: () => hasher.digestBuffer() };
    },
  };
}

/** The same results from WebAssembly, at a tenth of the speed. */
export async function wasmContentHash(): Promise<ContentHash> {
  const oneShot = await createBLAKE3();
  return {
    of: bytes => Buffer.from(oneShot.init().update(bytes).digest('binary')),
    hasher: async () => {
      const hasher = (await createBLAKE3()).init();
      return { update: bytes => void hasher.update(bytes), digest: () => Buffer.from(hasher.digest('binary')) };
    },
  };
}

/** What is this small is hashed sooner than it is handed to native code, and leaves the collector less to do. */
const MAX_WASM_BYTES = 2048;

/** The fastest that loads here. */
export async function fastestContentHash(): Promise<ContentHash> {
  const wasm = await wasmContentHash();
  const native = await nativeContentHash().catch(() => wasm);
  return { of: bytes => (bytes.length > MAX_WASM_BYTES ? native : wasm).of(bytes), hasher: native.hasher };
}

export const contentHash: ContentHash = await fastestContentHash();
