import { describe, expect, it } from '@jest/globals';
import { newBlobId, sequenceOf, toBucketName, versionIdOf } from './ids.js';
import { schemeOf, toRedundancy } from './redundancy.js';

describe('ids', () => {
  it('of versions sort as their sequences do', () => {
    const sequences = [1, 35, 36, 1_000_000, Number.MAX_SAFE_INTEGER];
    const ids = sequences.map(seq => versionIdOf({ seq, null_version: 0 }));
    expect([...ids].sort()).toEqual(ids);
    expect(ids.map(sequenceOf)).toEqual(sequences);
    expect(versionIdOf({ seq: 7, null_version: 1 })).toBe('null');
  });

  it('of blobs are 32 hex digits, never the same', () => {
    const ids = Array.from({ length: 1000 }, newBlobId);
    expect(new Set(ids).size).toBe(1000);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each(['ab', 'Upper', '-a-', 'a..b', '10.0.0.1', 'a'.repeat(64), 'a_b', ''])(
    'refuse the bucket name "%s"',
    name => {
      expect(() => toBucketName(name)).toThrow(expect.objectContaining({ code: 'bucket-name-invalid' }));
    },
  );
});

describe('redundancy', () => {
  it('says how many shards there are, and how many are needed', () => {
    expect(schemeOf(toRedundancy('single'))).toEqual({ kind: 'copies', shards: 1, needed: 1 });
    expect(schemeOf(toRedundancy('copies:3'))).toEqual({ kind: 'copies', shards: 3, needed: 1 });
    expect(schemeOf(toRedundancy('ec:4+2'))).toEqual({ kind: 'erasure', shards: 6, needed: 4 });
  });

  it.each(['', 'copies:0', 'copies:', 'ec:4', 'ec:4+0', 'ec:200+100', 'raid'])('refuses "%s"', text => {
    expect(() => toRedundancy(text)).toThrow(TypeError);
  });
});
