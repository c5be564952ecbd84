import { describe, expect, it } from '@jest/globals';
import { CONTENT_DISPOSITION, dispositionOf } from './content-disposition.js';

describe('Content-Disposition', () => {
  it.each([
    'inline',
    'attachment; filename=report.pdf',
    'attachment; filename="a; \\"b\\".html"',
    "attachment;filename*=UTF-8''%e2%82%ac%20rates",
    'inline ; a=1 ;\tb="2"',
  ])('is kept when well-formed: %s', value => {
    expect(CONTENT_DISPOSITION.test(value)).toBe(true);
  });

  it.each(['', '; filename=a', 'attachment filename=a', 'attachment; filename', 'a; b="', 'a; b="\x7f"', 'a, b', 'a;'])(
    'is refused when malformed: %s',
    value => {
      expect(CONTENT_DISPOSITION.test(value)).toBe(false);
    },
  );

  it('of what a browser might run is always a download, under the name that the client gave it', () => {
    expect(dispositionOf(undefined, false)).toBe('attachment');
    expect(dispositionOf('inline', false)).toBe('attachment');
    expect(dispositionOf('inline; filename="x.html"', false)).toBe('attachment; filename="x.html"');
    expect(dispositionOf('INLINE ;filename=x.html', false)).toBe('attachment;filename=x.html');
    expect(dispositionOf('form-data; name=x', false)).toBe('attachment; name=x');
  });

  it('of the rest is what was stored', () => {
    expect(dispositionOf(undefined, true)).toBeUndefined();
    expect(dispositionOf('attachment; filename=x', true)).toBe('attachment; filename=x');
    expect(dispositionOf('inline', true)).toBe('inline');
  });
});
