import type { IncomingHttpHeaders } from 'node:http';
import { GranaryError } from '#contracts';
import type { DigestAlgorithm, ExpectedDigests } from '#storage';

const DIGEST_BYTES = { sha256: 32, sha512: 64, md5: 16 } as const satisfies Record<DigestAlgorithm, number>;

/**
 * What the client says of its body, in any of these; other algorithms are ignored (RFC 9530 §2):
 * - Content-Digest and Repr-Digest (RFC 9530, dictionaries of byte sequences as in RFC 8941 §3.2), which
 *   mean the same of a PUT of a whole object;
 * - Digest (RFC 3230 §4.3.2, obsolete, but sent: `SHA-256=base64`);
 * - X-Content-SHA256, in hex;
 * - Content-MD5 (RFC 1864).
 *
 * Throws `digest-malformed`, also when two of them contradict each other.
 */
export function expectedDigests(headers: IncomingHttpHeaders): ExpectedDigests | undefined {
  let declared: ExpectedDigests | undefined;
  for (const { field, parse } of DIGEST_FIELDS) {
    const value = headers[field];
    if (value !== undefined) declared = merge(declared, parse(String(value)), field);
  }
  return declared;
}

const DIGEST_FIELDS: readonly { field: string; parse: (value: string) => ExpectedDigests }[] = [
  { field: 'content-digest', parse: value => parseDictionary('Content-Digest', value) },
  { field: 'repr-digest', parse: value => parseDictionary('Repr-Digest', value) },
  { field: 'digest', parse: parseInstanceDigest },
  { field: 'x-content-sha256', parse: parseHexSha256 },
  { field: 'content-md5', parse: value => ({ md5: decodeBase64('Content-MD5', 'md5', value) }) },
];

function merge(declared: ExpectedDigests | undefined, more: ExpectedDigests, field: string): ExpectedDigests {
  if (declared === undefined) return more;
  for (const algorithm of Object.keys(more) as DigestAlgorithm[]) {
    const [one, other] = [declared[algorithm], more[algorithm]];
    if (one !== undefined && other !== undefined && !one.equals(other)) {
      throw malformed(`The ${algorithm} digest in ${field} is not the one that another header declares.`);
    }
  }
  return { ...declared, ...more };
}

const KEY = '[a-z*][a-z0-9_.*-]*';
const PARAMETER_VALUE = '(?:"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*"|[A-Za-z0-9_.:/?*+-]+)';
const MEMBER = new RegExp(
  ` *(${KEY})=:([A-Za-z0-9+/]*={0,2}):(?: *; *${KEY}(?:=${PARAMETER_VALUE})?)*[ \\t]*(,[ \\t]*(?=[^ \\t])|$)`,
  'y',
);

function parseDictionary(header: string, value: string): ExpectedDigests {
  const expected: ExpectedDigests = {};
  MEMBER.lastIndex = 0;
  while (MEMBER.lastIndex < value.length) {
    const [, name, base64 = ''] = MEMBER.exec(value) ?? [];
    if (name === undefined) throw malformed(`${header} is not a dictionary such as sha-256=:base64:.`);
    const algorithm = CURRENT_ALGORITHMS.get(name);
    if (algorithm !== undefined) expected[algorithm] = decodeBase64(header, algorithm, base64);
  }
  return expected;
}

/** Of RFC 9530's registry; MD5 is in it, but as one not to be used. */
const CURRENT_ALGORITHMS = new Map<string, DigestAlgorithm>([
  ['sha-256', 'sha256'],
  ['sha-512', 'sha512'],
]);

function parseInstanceDigest(value: string): ExpectedDigests {
  const expected: ExpectedDigests = {};
  for (const instance of value.split(',')) {
    const [, name, base64 = ''] = /^[ \t]*([A-Za-z0-9-]+)=([^ \t]*)[ \t]*$/.exec(instance) ?? [];
    if (name === undefined) throw malformed('Digest is not a list such as SHA-256=base64.');
    const algorithm = OBSOLETE_ALGORITHMS.get(name.toLowerCase());
    if (algorithm !== undefined) expected[algorithm] = decodeBase64('Digest', algorithm, base64);
  }
  return expected;
}

const OBSOLETE_ALGORITHMS = new Map<string, DigestAlgorithm>([...CURRENT_ALGORITHMS, ['md5', 'md5']]);

function parseHexSha256(value: string): ExpectedDigests {
  if (!/^[0-9A-Fa-f]{64}$/.test(value)) throw malformed('X-Content-SHA256 is not 64 hex digits.');
  return { sha256: Buffer.from(value, 'hex') };
}

function decodeBase64(header: string, algorithm: DigestAlgorithm, base64: string): Buffer {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw malformed(`${header} is not base64.`);
  const digest = Buffer.from(base64, 'base64');
  if (digest.length !== DIGEST_BYTES[algorithm]) {
    throw malformed(`${header} has a digest of ${digest.length} bytes where ${DIGEST_BYTES[algorithm]} belong.`);
  }
  return digest;
}

function malformed(message: string): GranaryError {
  return new GranaryError('digest-malformed', message);
}
