import type { ListedPrefix, ListedVersionEntry, VersionPageBody } from '#contracts';
import type { ListedVersion, ListVersionsRequest, MetadataStore } from '#metadata';
import { eachPage } from './each-page.js';

type Listable = Pick<MetadataStore, 'listVersions'>;

/** One page of versions, delete markers included, of one name or of all; of a name the newest first. */
export async function listVersions(metadata: Listable, request: ListVersionsRequest): Promise<VersionPageBody> {
  const { entries, cursor } = await metadata.listVersions(request);
  const body: VersionPageBody = { versions: [], prefixes: [], ...(cursor !== undefined && { cursor }) };
  for (const entry of entries) {
    if (entry.kind === 'prefix') body.prefixes.push(entry.prefix);
    else body.versions.push(versionEntry(entry));
  }
  return body;
}

/** All of them from there on, but no more than `limit`, page by page, read as they are taken. */
export async function* eachVersionPage(
  metadata: Listable,
  request: ListVersionsRequest,
): AsyncGenerator<(ListedVersionEntry | ListedPrefix)[], void, undefined> {
  for await (const entries of eachPage(page => metadata.listVersions(page), request)) {
    yield entries.map(entry => (entry.kind === 'prefix' ? { prefix: entry.prefix } : versionEntry(entry)));
  }
}

function versionEntry(listed: ListedVersion): ListedVersionEntry {
  const { key, versionId, isCurrent, size, etag, checksums, createdMs } = listed;
  const deleteMarker = listed.kind === 'delete-marker';
  const hasDigests = Object.keys(checksums).length > 0;
  return {
    name: key,
    version: versionId,
    current: isCurrent,
    deleteMarker,
    ...(!deleteMarker && { size, etag }),
    ...(hasDigests && { digests: checksums }),
    createdAt: new Date(createdMs).toISOString(),
  };
}
