import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { expectedDigests } from './content-digest.js';

const sha256 = createHash('sha256').update('x').digest();
const sha512 = createHash('sha512').update('x').digest();
const md5 = createHash('md5').update('x').digest();
const member = (algorithm: string, digest: Buffer): string => `${algorithm}=:${digest.toString('base64')}:`;

describe('declared digests', () => {
  it('are read from Content-Digest and Content-MD5', () => {
    expect(expectedDigests({})).toBeUndefined();
    expect(
      expectedDigests({
        'content-digest': `${member('sha-256', sha256)}, ${member('sha-512', sha512)};a;b="c, d"`,
        'content-md5': md5.toString('base64'),
      }),
    ).toEqual({ sha256, sha512, md5 });
  });

  it('are read from Repr-Digest, Digest and X-Content-SHA256 too', () => {
    expect(expectedDigests({ 'repr-digest': member('sha-512', sha512) })).toEqual({ sha512 });
    const instance = `SHA-256=${sha256.toString('base64')},md5=${md5.toString('base64')}, unixsum=30637`;
    expect(expectedDigests({ digest: instance })).toEqual({ sha256, md5 });
    expect(expectedDigests({ 'x-content-sha256': sha256.toString('hex').toUpperCase() })).toEqual({ sha256 });
  });

  it.each([
    ['digest', 'SHA-256'],
    ['digest', `sha-256=${md5.toString('base64')}`],
    ['digest', 'sha-256=!'],
    ['digest', ''],
    ['x-content-sha256', sha256.toString('base64')],
    ['x-content-sha256', sha256.toString('hex').slice(1)],
    ['repr-digest', 'sha-256=abc'],
  ])('are refused when malformed: %s: %s', (field, value) => {
    expect(() => expectedDigests({ [field]: value })).toThrow(expect.objectContaining({ code: 'digest-malformed' }));
  });

  it('must agree with each other', () => {
    const hex = sha256.toString('hex');
    expect(expectedDigests({ 'content-digest': member('sha-256', sha256), 'x-content-sha256': hex })).toEqual({
      sha256,
    });
    const other = { 'content-digest': member('sha-256', Buffer.alloc(32)), 'x-content-sha256': hex };
    expect(() => expectedDigests(other)).toThrow(expect.objectContaining({ code: 'digest-malformed' }));
  });

  it('of other algorithms are ignored; of two the last counts', () => {
    const header = `${member('crc32c', Buffer.alloc(4))},${member('sha-256', md5).replace('sha', '*sha')}`;
    expect(expectedDigests({ 'content-digest': header })).toEqual({});
    const twice = `${member('sha-256', Buffer.alloc(32))}, ${member('sha-256', sha256)}`;
    expect(expectedDigests({ 'content-digest': twice })).toEqual({ sha256 });
  });

  it.each([
    'sha-256',
    `sha-256=${sha256.toString('base64')}`,
    `sha-256=:${sha256.toString('hex')}:`,
    member('sha-256', md5),
    member('SHA-256', sha256),
    `${member('sha-256', sha256)},`,
    `${member('sha-256', sha256)} ${member('sha-512', sha512)}`,
    'sha-256=:!:',
    'sha-256=:',
    ' x',
  ])('that are malformed are refused: %s', header => {
    expect(() => expectedDigests({ 'content-digest': header })).toThrow(
      expect.objectContaining({ code: 'digest-malformed' }),
    );
  });

  it.each(['x', '', sha256.toString('base64'), `${md5.toString('base64')}, ${md5.toString('base64')}`])(
    'in a malformed Content-MD5 are refused: %s',
    header => {
      expect(() => expectedDigests({ 'content-md5': header })).toThrow(
        expect.objectContaining({ code: 'digest-malformed' }),
      );
    },
  );

  it('never crash the parser, and never take long', () => {
    const text = fc.string({ unit: fc.constantFrom('sha-256', '=', ':', ',', ' ', ';', '"', 'a', '*', '\\', 'é') });
    fc.assert(
      fc.property(text, header => {
        try {
          expectedDigests({ 'content-digest': header });
        } catch (error) {
          expect(error).toMatchObject({ code: 'digest-malformed' });
        }
      }),
    );
    // Tried from every place anew, it takes minutes.
    const before = process.cpuUsage();
    expect(() => expectedDigests({ 'content-digest': `a=::${';a=a'.repeat(40_000)}!` })).toThrow();
    expect(process.cpuUsage(before).user).toBeLessThan(3_000_000);
  });
});
