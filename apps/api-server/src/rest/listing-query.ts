import { GranaryError, MAX_NAME_BYTES } from '#contracts';
import { queryOf } from '#http';
import { MAX_PAGE, type Cursor } from '#metadata';

/** What of a listing is asked for. Absent where the parameter was, or was empty. */
export interface ListingQuery {
  prefix?: string;
  delimiter?: string;
  after?: string;
  cursor?: Cursor;
  limit?: number;
}

export type ListingParameter = keyof ListingQuery;

/** A cursor of ours is a name as JSON in base64url, and little else; JSON may take six characters for a byte. */
const MAX_CURSOR_LENGTH = 9 * MAX_NAME_BYTES;

/**
 * Reads the parameters of a listing from the request target. Throws `query-invalid`, also for parameters
 * that the route does not have: a misspelt `prefix` would list everything.
 */
export function listingQuery<Parameter extends ListingParameter>(
  target: string,
  allowed: readonly Parameter[],
  { isPaged }: { isPaged: boolean },
): Pick<ListingQuery, Parameter> {
  const given = queryOf(target);
  for (const name of given.keys()) {
    if (!allowed.some(parameter => parameter === name))
      throw refused(`there is no parameter "${name.slice(0, 40)}" here`);
  }
  const text = (name: 'prefix' | 'delimiter' | 'after') => boundedText(name, given.get(name));
  const [prefix, delimiter, after] = [text('prefix'), text('delimiter'), text('after')];
  const cursor = cursorOf(given.get('cursor'));
  const limit = limitOf(given.get('limit'), isPaged ? MAX_PAGE : Number.MAX_SAFE_INTEGER);
  return {
    ...(prefix !== undefined && { prefix }),
    ...(delimiter !== undefined && { delimiter }),
    ...(after !== undefined && { after }),
    ...(cursor !== undefined && { cursor }),
    ...(limit !== undefined && { limit }),
  };
}

function boundedText(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  const bytes = Buffer.byteLength(value);
  if (bytes > MAX_NAME_BYTES) throw refused(`${name} has ${bytes} bytes, and names at most ${MAX_NAME_BYTES}`);
  return value;
}

function cursorOf(value: string | undefined): Cursor | undefined {
  if (value === undefined || value === '') return undefined;
  if (value.length > MAX_CURSOR_LENGTH) {
    throw new GranaryError('cursor-invalid', 'The cursor was not made by this listing.');
  }
  return value as Cursor;
}

function limitOf(value: string | undefined, max: number): number | undefined {
  if (value === undefined || value === '') return undefined;
  const limit = /^\d{1,16}$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > max) throw refused(`limit is not a whole number from 1 to ${max}`);
  return limit;
}

function refused(reason: string): GranaryError {
  return new GranaryError('query-invalid', `The listing cannot be made: ${reason}.`);
}
