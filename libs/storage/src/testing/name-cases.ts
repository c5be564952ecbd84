import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MAX_NAME_BYTES, toObjectName } from '#contracts';
import type { SuiteContext } from './store-under-test.js';
import { readObject, writeObject } from './fixtures.js';

const ODD_NAMES = [
  '😀'.repeat(256),
  '😀'.repeat(255) + 'é',
  '.',
  '..',
  '../../../../etc/passwd',
  '/',
  '//a//b/',
  'CON',
  'nul.txt',
  'trailing spaces   ',
  'trailing dots...',
  'back\\slash',
  'new\nline\r\n',
  '\u{1}\u{7f}',
  '%2e%2e%2f',
  'a+b c?d=e#f&g',
  '"quoted"\'',
  'case',
  'CASE',
  'Case',
  'caf\u{e9}',
  'cafe\u{301}',
  '\u{feff}bom',
  '\u{202e}right to left',
  '__proto__',
  'x'.repeat(MAX_NAME_BYTES),
];

export function nameCases({ store }: SuiteContext): void {
  it('however odd are distinct, and are themselves', async () => {
    for (const name of ODD_NAMES) await store().put(toObjectName(name), bodyOf(name), {});
    for (const name of ODD_NAMES) {
      expect((await readObject(store(), toObjectName(name)))?.toString()).toBe(bodyOf(name).toString());
    }
  });

  it('however odd may be those of big objects', async () => {
    for (const [index, name] of ODD_NAMES.entries()) {
      await writeObject(store(), toObjectName(name), Buffer.alloc(66_000, index), { length: 66_000 });
    }
    for (const [index, name] of ODD_NAMES.entries()) {
      expect((await readObject(store(), toObjectName(name)))?.at(-1)).toBe(index);
    }
  });

  it('of any Unicode come back', async () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 200 })
      .filter(text => text.isWellFormed() && !text.includes('\0') && Buffer.byteLength(text) <= MAX_NAME_BYTES);
    await fc.assert(
      fc.asyncProperty(name, fc.uint8Array({ maxLength: 50 }), async (text, body) => {
        await store().put(toObjectName(text), Buffer.from(body), {});
        expect(await readObject(store(), toObjectName(text))).toEqual(Buffer.from(body));
      }),
      { numRuns: 40 },
    );
  });
}

function bodyOf(name: string): Buffer {
  return Buffer.from(`the object ${name}`);
}
