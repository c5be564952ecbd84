import type { BucketCounts } from './counts.js';

/**
 * What every change adds and none looks at but by its commit id: ids of commits, the index of servers, sums.
 * So it is written once before the transaction commits (write-books.ts); where many changes share a
 * transaction, for all of them. A change that looks at those tables in another way wants them written before it.
 */
export class Books {
  readonly commits = new Map<string, string>();
  readonly servers: [server: number, blob: number][] = [];
  readonly counts: BucketCounts[] = [];

  /** `before`: of the changes that the same transaction has made already. */
  constructor(private readonly before?: Books) {}

  remember(commitId: string, result: string): void {
    this.commits.set(commitId, result);
  }

  /** The result of a change that this transaction has made. */
  recall(commitId: string): string | undefined {
    return this.commits.get(commitId) ?? this.before?.recall(commitId);
  }

  /** So that the blobs of a server are found. */
  indexServers(blob: number, servers: readonly number[]): void {
    for (const server of servers) this.servers.push([server, blob]);
  }

  count(added: readonly BucketCounts[]): void {
    this.counts.push(...added);
  }

  /** Adds a change's. */
  add({ commits, servers, counts }: Books): void {
    for (const [id, result] of commits) this.commits.set(id, result);
    this.servers.push(...servers);
    this.counts.push(...counts);
  }

  clear(): void {
    this.commits.clear();
    this.servers.length = 0;
    this.counts.length = 0;
  }
}
