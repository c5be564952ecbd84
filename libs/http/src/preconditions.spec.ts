import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatHttpDate, parseHttpDate } from './http-date.js';
import { evaluateRead, rangeApplies, writePrecondition } from './preconditions.js';

const modifiedMs = Date.parse('2026-11-21T10:00:00.700Z');
const current = { etag: 'abc', modifiedMs };
const at = 'Sat, 21 Nov 2026 10:00:00 GMT';
const before = 'Sat, 21 Nov 2026 09:59:59 GMT';

describe('preconditions of writes', () => {
  it('read tags, lists and *', () => {
    expect(writePrecondition({})).toBeUndefined();
    expect(writePrecondition({ 'if-none-match': '*' })).toEqual({ ifNoneMatch: '*' });
    expect(writePrecondition({ 'if-match': ' "a" ,, "b,c", W/"d" ' })).toEqual({ ifMatch: ['a', 'b,c'] });
    expect(writePrecondition({ 'if-none-match': 'W/"d", ""' })).toEqual({ ifNoneMatch: ['d', ''] });
  });

  it('read back any list of tags', () => {
    const tag = fc.stringMatching(/^[!#-~]{0,10}$/);
    fc.assert(
      fc.property(fc.array(tag, { minLength: 1 }), tags => {
        const header = tags.map(text => `"${text}"`).join(', ');
        expect(writePrecondition({ 'if-match': header })).toEqual({ ifMatch: tags });
      }),
    );
  });

  it.each(['abc', '"a" "b"', '"a', '', ',', '*, "a"', 'w/"a"', '"a"b'])('refuse %j', value => {
    expect(() => writePrecondition({ 'if-match': value })).toThrow(expect.objectContaining({ code: 'header-invalid' }));
  });
});

describe('preconditions of reads', () => {
  it.each([
    [{}, 'send'],
    [{ 'if-none-match': '"abc"' }, 'not-modified'],
    [{ 'if-none-match': 'W/"abc"' }, 'not-modified'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"x"', 'if-modified-since': at }, 'send'],
    [{ 'if-modified-since': at }, 'not-modified'],
    [{ 'if-modified-since': before }, 'send'],
    [{ 'if-modified-since': 'yesterday' }, 'send'],
    [{ 'if-match': '"abc"' }, 'send'],
    [{ 'if-match': 'W/"abc"' }, 'failed'],
    [{ 'if-match': '"x"' }, 'failed'],
    [{ 'if-match': '"abc"', 'if-unmodified-since': before }, 'send'],
    [{ 'if-unmodified-since': before }, 'failed'],
    [{ 'if-unmodified-since': at }, 'send'],
    [{ 'if-match': '"x"', 'if-none-match': '"abc"' }, 'failed'],
  ] as const)('%j: %s', (headers, verdict) => {
    expect(evaluateRead(headers, current)).toBe(verdict);
  });

  it('hold for nothing but * when a peer tells no validators', () => {
    const unknown = { etag: undefined, modifiedMs: undefined };
    expect(evaluateRead({ 'if-match': '*' }, unknown)).toBe('send');
    expect(evaluateRead({ 'if-none-match': '"abc"' }, unknown)).toBe('send');
    expect(evaluateRead({ 'if-modified-since': at }, unknown)).toBe('send');
    expect(rangeApplies({ 'if-range': '"undefined"' }, unknown)).toBe(false);
  });

  it('of a range need the exact tag or date', () => {
    expect(rangeApplies({}, current)).toBe(true);
    expect(rangeApplies({ 'if-range': '"abc"' }, current)).toBe(true);
    expect(rangeApplies({ 'if-range': 'W/"abc"' }, current)).toBe(false);
    expect(rangeApplies({ 'if-range': at }, current)).toBe(true);
    expect(rangeApplies({ 'if-range': before }, current)).toBe(false);
    expect(rangeApplies({ 'if-range': 'abc' }, current)).toBe(false);
  });

  it.each([
    ['at once', 0, false],
    ['within the second', 299, false],
    ['in the next second', 300, true],
    ['by a clock that is behind', -5000, false],
  ])('of a range by date, asked %s, hold only when no other bytes can have that date', (_when, laterMs, applies) => {
    expect(rangeApplies({ 'if-range': at }, current, modifiedMs + laterMs)).toBe(applies);
    expect(rangeApplies({ 'if-range': '"abc"' }, current, modifiedMs + laterMs)).toBe(true);
  });
});

describe('dates', () => {
  it('are read in all three forms', () => {
    const seconds = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000;
    expect(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(seconds);
    expect(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT')).toBe(seconds);
    expect(parseHttpDate('Sun Nov  6 08:49:37 1994')).toBe(seconds);
    expect(parseHttpDate('1994-11-06T08:49:37Z')).toBeUndefined();
    expect(parseHttpDate('Sun, 99 Nov 1994 08:49:37 GMT')).toBeUndefined();
  });

  it('round-trip', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), ms => {
        expect(parseHttpDate(formatHttpDate(ms))).toBe(Math.floor(ms / 1000));
      }),
    );
  });
});
