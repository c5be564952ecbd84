declare const redundancy: unique symbol;
/** `single`, `copies:3`, `ec:4+2`: how the shards of a segment are made. */
export type Redundancy = string & { readonly [redundancy]: true };

export interface RedundancyScheme {
  kind: 'copies' | 'erasure';
  /** Shards of a segment. */
  shards: number;
  /** How many of them a reader needs. */
  needed: number;
}

/** A shard number must fit the layout's format, and Reed–Solomon over GF(256) allows no more either. */
const MAX_SHARDS = 255;

/** Throws TypeError on anything that is no redundancy. */
export function toRedundancy(text: string): Redundancy {
  schemeOf(text as Redundancy);
  return text as Redundancy;
}

export function schemeOf(redundancy: Redundancy): RedundancyScheme {
  const known = schemes.get(redundancy);
  if (known !== undefined) return known;
  const scheme = Object.freeze(parse(redundancy));
  if (schemes.size < MAX_SCHEMES) schemes.set(redundancy, scheme);
  return scheme;
}

/** Every read and write asks for one of a few. */
const schemes = new Map<Redundancy, RedundancyScheme>();
const MAX_SCHEMES = 256;

function parse(redundancy: Redundancy): RedundancyScheme {
  if (redundancy === 'single') return { kind: 'copies', shards: 1, needed: 1 };
  const copies = /^copies:([1-9]\d{0,2})$/.exec(redundancy);
  const erasure = /^ec:([1-9]\d{0,2})\+([1-9]\d{0,2})$/.exec(redundancy);
  if (copies !== null) return checked({ kind: 'copies', shards: Number(copies[1]), needed: 1 }, redundancy);
  if (erasure === null) throw new TypeError(`"${redundancy}" is no redundancy`);
  const [needed, spare] = [Number(erasure[1]), Number(erasure[2])];
  return checked({ kind: 'erasure', shards: needed + spare, needed }, redundancy);
}

function checked(scheme: RedundancyScheme, redundancy: string): RedundancyScheme {
  if (scheme.shards > MAX_SHARDS) throw new TypeError(`"${redundancy}" has more than ${MAX_SHARDS} shards`);
  return scheme;
}
