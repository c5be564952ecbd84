import { hash } from 'node:crypto';
import { GranaryError } from './errors.js';

declare const objectName: unique symbol;
/** An object's name: 1 to 1024 bytes of UTF-8, any character but NUL, decoded. Slashes mean nothing. Never a path on disk. */
export type ObjectName = string & { readonly [objectName]: true };

declare const keyHash: unique symbol;
/** 32 lower-case hex digits: the first 128 bits of the SHA-256 of a name. Names files, indexes and placement. */
export type KeyHash = string & { readonly [keyHash]: true };

export const MAX_NAME_BYTES = 1024;

/** Decodes the raw (still percent-encoded) rest of a URL path exactly once. Throws `name-invalid` or `name-too-long`. */
export function decodeObjectName(encoded: string): ObjectName {
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch (cause) {
    throw new GranaryError('name-invalid', 'The object name is not percent-encoded UTF-8.', { cause });
  }
  return toObjectName(name);
}

/** Checks a decoded name. Throws `name-invalid` or `name-too-long`. */
export function toObjectName(name: string): ObjectName {
  if (name === '') throw new GranaryError('name-invalid', 'The object name is empty.');
  if (name.includes('\0')) throw new GranaryError('name-invalid', 'The object name contains a NUL character.');
  if (!name.isWellFormed()) throw new GranaryError('name-invalid', 'The object name is not well-formed Unicode.');
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) {
    throw new GranaryError(
      'name-too-long',
      `The object name has ${bytes} bytes; at most ${MAX_NAME_BYTES} are allowed.`,
    );
  }
  return name as ObjectName;
}

/** The canonical spelling of a name as one URL path segment (docs/protocol): `a/b c` becomes `a%2Fb%20c`. */
export function encodeObjectName(name: ObjectName): string {
  return encodeURIComponent(name);
}

export function hashName(name: ObjectName): KeyHash {
  return hash('sha256', name, 'hex').slice(0, 32) as KeyHash;
}
