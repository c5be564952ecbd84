import type { ObjectAttributes, ObjectInfo } from '#http';
import type { ObjectAttributes as KeptAttributes, ObjectVersion } from '#metadata';
import type { DigestAlgorithm, ExpectedDigests } from '#storage';

type TextAttribute = Exclude<keyof ObjectAttributes, 'userMetadata'>;

/** The HTTP fields that are kept with a version, and what the endpoint calls them. */
const FIELDS = {
  contentType: 'content-type',
  cacheControl: 'cache-control',
  contentEncoding: 'content-encoding',
  contentDisposition: 'content-disposition',
  contentLanguage: 'content-language',
  expires: 'expires',
} as const satisfies Record<TextAttribute, string>;

const ATTRIBUTE_OF = new Map<string, TextAttribute>(
  Object.entries(FIELDS).map(([attribute, field]) => [field, attribute as TextAttribute]),
);

/** As RFC 9530 names them. */
const ALGORITHM_NAMES = {
  sha256: 'sha-256',
  sha512: 'sha-512',
  md5: 'md5',
} as const satisfies Record<DigestAlgorithm, string>;

/** Made for every GET, so it costs nothing that the version does not have. */
export function infoOf(version: ObjectVersion): ObjectInfo & { size: number } {
  const { size, etag, createdMs, versionId, headers, userMetadata } = version;
  const info: ObjectInfo & { size: number } = { size, etag, modifiedMs: createdMs, version: versionId };
  for (const field in headers) {
    const attribute = ATTRIBUTE_OF.get(field);
    const value = headers[field];
    if (attribute !== undefined && value !== undefined) info[attribute] = value;
  }
  if (!isEmpty(userMetadata)) info.userMetadata = userMetadata;
  const digests = digestsOf(version);
  if (digests !== undefined) info.digests = digests;
  return info;
}

/** Those declared with this version; of its content, if it is one blob, also what another writer stored it with. */
function digestsOf({ checksums, blobs }: ObjectVersion): Readonly<Record<string, string>> | undefined {
  const sha256 = blobs.length === 1 ? blobs[0]?.sha256 : undefined;
  if (sha256 !== undefined) return { [ALGORITHM_NAMES.sha256]: sha256, ...checksums };
  return isEmpty(checksums) ? undefined : checksums;
}

function isEmpty(record: object): boolean {
  for (const _ in record) return false;
  return true;
}

/** What a client said of its object, as the database keeps it. */
export function keptAttributes(attributes: ObjectAttributes = {}, digests?: ExpectedDigests): KeptAttributes {
  const { userMetadata } = attributes;
  const headers: Record<string, string> = {};
  for (const attribute of Object.keys(FIELDS) as TextAttribute[]) {
    const value = attributes[attribute];
    if (value !== undefined) headers[FIELDS[attribute]] = value;
  }
  return {
    headers,
    ...(userMetadata !== undefined && { userMetadata }),
    ...(digests !== undefined && { checksums: checksumsOf(digests) }),
  };
}

/** In hex. The bytes have been found to have them. */
export function checksumsOf(digests: ExpectedDigests): Record<string, string> {
  const checksums: Record<string, string> = {};
  for (const algorithm of Object.keys(ALGORITHM_NAMES) as DigestAlgorithm[]) {
    const digest = digests[algorithm];
    if (digest !== undefined) checksums[ALGORITHM_NAMES[algorithm]] = digest.toString('hex');
  }
  return checksums;
}
