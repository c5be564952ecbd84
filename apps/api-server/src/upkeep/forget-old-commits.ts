import { DAY_MS } from '#config';
import type { MetadataStore } from '#metadata';

const PAGE = 1000;

/** Forgets what commits did more than a day ago: nobody sends them again. Rejects as MetadataStore. */
export async function forgetOldCommits(
  metadata: Pick<MetadataStore, 'forgetCommits'>,
  signal?: AbortSignal,
): Promise<void> {
  for (let forgotten = PAGE; forgotten === PAGE && signal?.aborted !== true;) {
    forgotten = await metadata.forgetCommits({ olderThanMs: DAY_MS, limit: PAGE });
  }
}
