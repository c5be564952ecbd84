import type { ListedObjectEntry, ListedPrefix, ObjectPageBody } from '#contracts';
import type { ListedObject, ListObjectsRequest, MetadataStore } from '#metadata';
import { eachPage } from './each-page.js';

type Listable = Pick<MetadataStore, 'listObjects'>;

/** One page of current objects, and where it goes on. */
export async function listObjects(metadata: Listable, request: ListObjectsRequest): Promise<ObjectPageBody> {
  const { entries, cursor } = await metadata.listObjects(request);
  const body: ObjectPageBody = { objects: [], prefixes: [], ...(cursor !== undefined && { cursor }) };
  for (const entry of entries) {
    if (entry.kind === 'prefix') body.prefixes.push(entry.prefix);
    else body.objects.push(objectEntry(entry));
  }
  return body;
}

/** All of them from there on, but no more than `limit`, page by page, read as they are taken. */
export async function* eachObjectPage(
  metadata: Listable,
  request: ListObjectsRequest,
): AsyncGenerator<(ListedObjectEntry | ListedPrefix)[], void, undefined> {
  for await (const entries of eachPage(page => metadata.listObjects(page), request)) {
    yield entries.map(entry => (entry.kind === 'prefix' ? { prefix: entry.prefix } : objectEntry(entry)));
  }
}

function objectEntry({ key, versionId, size, etag, createdMs }: ListedObject): ListedObjectEntry {
  return { name: key, version: versionId, size, etag, createdAt: new Date(createdMs).toISOString() };
}
