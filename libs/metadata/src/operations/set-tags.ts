import { GranaryError } from '#contracts';
import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import { commitOnce } from './commit-once.js';
import { findRemovable, noVersion } from './delete-version.js';
import { lockTarget } from './target.js';

export interface SetTagsValues {
  commitId: string;
  bucket: string;
  key: string;
  versionId: string | undefined;
  tags: string | null;
}

/** MetadataStore.setTags. */
export function setTags(tx: Transaction, request: SetTagsValues): Promise<void> {
  const { key, versionId, tags } = request;
  return commitOnce(
    tx,
    request.commitId,
    () => lockTarget(tx, request),
    async target => {
      if (versionId === undefined) {
        if (target.current === undefined)
          throw new GranaryError('object-not-found', `There is no object named "${key}".`);
        await tx.all(SET_TAGS, { seq: target.current.seq, tags });
        return;
      }
      const version = await findRemovable(tx, target, versionId);
      if (version.delete_marker === 1) throw noVersion(key, versionId);
      await tx.all(SET_TAGS, { seq: version.seq, tags });
    },
  );
}

const SET_TAGS = statement<{ seq: number; tags: string | null }>()('set_tags', (db, { seq, tags }) =>
  db.updateTable('versions').set({ tags }).where('seq', '=', seq).compile(),
);
