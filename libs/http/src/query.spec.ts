import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GranaryError } from '#contracts';
import { queryOf } from './query.js';

describe('queryOf', () => {
  it.each([
    ['/x', {}],
    ['/x?', {}],
    ['/x?a', { a: '' }],
    ['/x?a=&b=1&&', { a: '', b: '1' }],
    ['/x?a=b=c?d', { a: 'b=c?d' }],
    ['/x?a=1+2%2B3%20', { a: '1 2+3 ' }],
    ['/x?%61=%D1%86', { a: 'ц' }],
  ])('reads %s', (target, expected) => {
    expect(Object.fromEntries(queryOf(target))).toEqual(expected);
  });

  it.each(['/x?a=%', '/x?a=%FF', '/x?%E0%A4%A=1', '/x?a=%00', '/x?a=1&a=1', '/x?a&a=1', '/x?a=%ED%A0%80'])(
    'refuses %s',
    target => {
      expect(() => queryOf(target)).toThrow(expect.objectContaining({ code: 'query-invalid' }));
    },
  );

  it('reads what URLSearchParams writes, and refuses the rest by name', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), parameters => {
        const text = new URLSearchParams(parameters).toString();
        if (/%00/.test(text)) return;
        expect(Object.fromEntries(queryOf(`/x?${text}`))).toEqual(parameters);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        try {
          queryOf(`/x?${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(GranaryError);
        }
      }),
    );
  });
});
