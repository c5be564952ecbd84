import { createHash, type Hash } from 'node:crypto';
import { GranaryError } from '#contracts';
import type { ExpectedDigests } from './shard-store.js';

export type DigestAlgorithm = keyof ExpectedDigests;

/** The algorithms of the digests that were declared. */
export function declaredAlgorithms(expected: ExpectedDigests | undefined): DigestAlgorithm[] {
  const { sha256, sha512, md5 } = expected ?? {};
  return [
    ...(sha256 ? (['sha256'] as const) : []),
    ...(sha512 ? (['sha512'] as const) : []),
    ...(md5 ? (['md5'] as const) : []),
  ];
}

/** Computes only the digests that somebody declared, as the bytes go by. */
export class DigestComputation {
  private readonly hashes = new Map<DigestAlgorithm, Hash>();

  constructor(readonly algorithms: readonly DigestAlgorithm[]) {
    for (const algorithm of algorithms) this.hashes.set(algorithm, createHash(algorithm));
  }

  update(bytes: Buffer): void {
    for (const hash of this.hashes.values()) hash.update(bytes);
  }

  /** Ends the computation. Throws `digest-mismatch`. */
  check(expected: ExpectedDigests): void {
    for (const [algorithm, hash] of this.hashes) {
      const wanted = expected[algorithm];
      if (wanted !== undefined && !hash.digest().equals(wanted)) {
        throw new GranaryError('digest-mismatch', `The bytes do not have the declared ${algorithm} digest.`);
      }
    }
  }
}

/** Throws `digest-mismatch` unless the bytes have every digest in `expected`. */
export function checkDigests(bytes: Buffer, expected: ExpectedDigests | undefined): void {
  if (expected === undefined) return;
  const computation = new DigestComputation(declaredAlgorithms(expected));
  computation.update(bytes);
  computation.check(expected);
}
