import type { ExpectedDigests, Precondition, PutOptions, RemoveOptions } from '../../shard-store.js';
import { parseAttributes } from '../../attributes.js';
import { MalformedFrame } from './frame-types.js';
import type { FrameWriter } from './frame-writer.js';
import type { PayloadReader } from './payload-reader.js';

/** Which options follow, in this order. */
const OPTIONS = {
  stamp: 1,
  move: 2,
  attributes: 4,
  precondition: 8,
  sha256: 16,
  sha512: 32,
  md5: 64,
  remember: 128,
} as const;

const DIGEST_BYTES = { sha256: 32, sha512: 64, md5: 16 } as const;

export type SentOptions = Omit<PutOptions & RemoveOptions, 'signal'>;

export function writeOptions(frame: FrameWriter, options: SentOptions): void {
  const { stamp, move, attributes, precondition, expected, remember } = options;
  const attributesText = attributes === undefined ? '{}' : JSON.stringify(attributes);
  const hasAttributes = attributesText !== '{}';
  frame.u8(
    (stamp === undefined ? 0 : OPTIONS.stamp) |
      (move === undefined ? 0 : OPTIONS.move) |
      (hasAttributes ? OPTIONS.attributes : 0) |
      (precondition === undefined ? 0 : OPTIONS.precondition) |
      (expected?.sha256 === undefined ? 0 : OPTIONS.sha256) |
      (expected?.sha512 === undefined ? 0 : OPTIONS.sha512) |
      (expected?.md5 === undefined ? 0 : OPTIONS.md5) |
      (remember === true ? OPTIONS.remember : 0),
  );
  if (stamp !== undefined) frame.u64(stamp);
  if (move !== undefined) frame.u64(move.modifiedMs);
  if (hasAttributes) frame.text(attributesText);
  if (precondition !== undefined) frame.text(JSON.stringify(precondition));
  if (expected?.sha256 !== undefined) frame.raw(expected.sha256);
  if (expected?.sha512 !== undefined) frame.raw(expected.sha512);
  if (expected?.md5 !== undefined) frame.raw(expected.md5);
}

export function readOptions(reader: PayloadReader): SentOptions {
  const flags = reader.u8();
  if (flags === 0) return {};
  const options: SentOptions = {};
  if (flags & OPTIONS.stamp) options.stamp = reader.u64();
  if (flags & OPTIONS.move) options.move = { modifiedMs: reader.u64() };
  if (options.move !== undefined && options.stamp === undefined) throw new MalformedFrame('a move has no stamp');
  if (flags & OPTIONS.attributes) options.attributes = readAttributes(reader.text());
  if (flags & OPTIONS.precondition) options.precondition = readPrecondition(reader.text());
  const expected: ExpectedDigests = {};
  // Copies, since the payload is a view of a buffer that may be used again.
  if (flags & OPTIONS.sha256) expected.sha256 = Buffer.from(reader.raw(DIGEST_BYTES.sha256));
  if (flags & OPTIONS.sha512) expected.sha512 = Buffer.from(reader.raw(DIGEST_BYTES.sha512));
  if (flags & OPTIONS.md5) expected.md5 = Buffer.from(reader.raw(DIGEST_BYTES.md5));
  if (flags & (OPTIONS.sha256 | OPTIONS.sha512 | OPTIONS.md5)) options.expected = expected;
  if (flags & OPTIONS.remember) options.remember = true;
  return options;
}

function readAttributes(text: string): NonNullable<SentOptions['attributes']> {
  const attributes = parseAttributes(text);
  if (attributes === undefined) throw new MalformedFrame('the attributes are malformed, or of a later version');
  return attributes;
}

function readPrecondition(text: string): Precondition {
  const value = parseObject(text);
  const { ifMatch, ifNoneMatch, ...others } = value;
  if (!areTags(ifMatch) || !areTags(ifNoneMatch) || Object.keys(others).length > 0) {
    throw new MalformedFrame('the precondition is malformed');
  }
  return { ...(ifMatch !== undefined && { ifMatch }), ...(ifNoneMatch !== undefined && { ifNoneMatch }) };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below.
  }
  throw new MalformedFrame('an option is no JSON object');
}

function areTags(value: unknown): value is '*' | readonly string[] | undefined {
  if (value === undefined || value === '*') return true;
  return Array.isArray(value) && value.every(tag => typeof tag === 'string');
}
