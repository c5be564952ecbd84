import { MAX_PAGE, type Cursor } from '#metadata';

interface Paged {
  cursor?: Cursor;
  /** Of all pages together. Default: everything. */
  limit?: number;
}

interface Page<Entry> {
  entries: readonly Entry[];
  cursor?: Cursor;
}

/**
 * The entries of a listing, page by page, each read when the one before has been taken. By pages and not
 * one by one, since handing over a single entry costs more than reading it.
 */
export async function* eachPage<Request extends Paged, Entry>(
  list: (request: Request) => Promise<Page<Entry>>,
  request: Request,
): AsyncGenerator<readonly Entry[], void, undefined> {
  let left = request.limit ?? Number.POSITIVE_INFINITY;
  let next: Request | undefined = request;
  while (next !== undefined && left > 0) {
    const page: Page<Entry> = await list({ ...next, limit: Math.min(left, MAX_PAGE) });
    yield page.entries;
    left -= page.entries.length;
    next = page.cursor === undefined ? undefined : { ...request, cursor: page.cursor };
  }
}
