import { spreadShards, type Member } from '#cluster';
import type { KeyHash } from '#contracts';
import type { BlobParts } from '../blob-parts.js';

/** The servers for the shards of one segment, each given out once, the best for its placement key first. */
export class ServerQueue {
  private next = 0;
  private readonly order: readonly Member[];

  /** Those to `avoid`, and those that were slow lately, come last. */
  constructor({ servers, slow }: BlobParts, key: KeyHash, avoid?: ReadonlySet<string>) {
    const candidates = servers.candidates();
    const order = spreadShards(key, candidates, candidates.length);
    const isLast = (member: Member): boolean => avoid?.has(member.key) === true || slow.has(member.key);
    this.order = order.some(isLast) ? [...order.filter(each => !isLast(each)), ...order.filter(isLast)] : order;
  }

  get size(): number {
    return this.order.length;
  }

  take(): Member | undefined {
    const member = this.order[this.next];
    this.next += 1;
    return member;
  }
}
