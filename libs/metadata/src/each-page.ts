import type { MetadataStore } from './metadata-store.js';
import type {
  CommonPrefix,
  ListedObject,
  ListedVersion,
  ListObjectsRequest,
  ListVersionsRequest,
} from './model/listing.js';

/** Every entry of a listing, page after page: in constant memory, however many there are. */
export async function* eachObject(
  store: Pick<MetadataStore, 'listObjects'>,
  request: ListObjectsRequest,
): AsyncGenerator<ListedObject | CommonPrefix, void, undefined> {
  let page = await store.listObjects(request);
  yield* page.entries;
  while (page.cursor !== undefined) {
    page = await store.listObjects({ ...request, cursor: page.cursor });
    yield* page.entries;
  }
}

/** As eachObject, of all versions. */
export async function* eachVersion(
  store: Pick<MetadataStore, 'listVersions'>,
  request: ListVersionsRequest,
): AsyncGenerator<ListedVersion | CommonPrefix, void, undefined> {
  let page = await store.listVersions(request);
  yield* page.entries;
  while (page.cursor !== undefined) {
    page = await store.listVersions({ ...request, cursor: page.cursor });
    yield* page.entries;
  }
}
