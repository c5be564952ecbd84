import type { ShardAttributes } from './shard-store.js';

/** Each attribute and the header that carries it. */
export const ATTRIBUTE_HEADERS = {
  contentType: 'Content-Type',
  cacheControl: 'Cache-Control',
  contentEncoding: 'Content-Encoding',
} as const satisfies Record<keyof ShardAttributes, string>;

/** The attributes alone of whatever has some. */
export function attributesOf({
  contentType,
  cacheControl,
  contentEncoding,
}: { [Name in keyof ShardAttributes]: string | undefined }): ShardAttributes {
  const attributes: ShardAttributes = {};
  if (contentType !== undefined) attributes.contentType = contentType;
  if (cacheControl !== undefined) attributes.cacheControl = cacheControl;
  if (contentEncoding !== undefined) attributes.contentEncoding = contentEncoding;
  return attributes;
}

/** The JSON of attributes, as our servers send it to each other. Undefined if it is malformed, or has one that is unknown here. */
export function parseAttributes(text: string): ShardAttributes | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const isKnown = Object.entries(value).every(
      ([name, attribute]) => Object.hasOwn(ATTRIBUTE_HEADERS, name) && typeof attribute === 'string',
    );
    return isKnown ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
