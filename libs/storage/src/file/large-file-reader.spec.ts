import { afterEach, describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { BIG_BYTES, bytesOf } from '../testing/fixtures.js';
import { StoreFixture } from './store-fixture.js';

const fixture = new StoreFixture();
afterEach(() => fixture.dispose());

describe('many readers of large objects', () => {
  it('leave each turn of the event loop to others, who want to connect perhaps', async () => {
    const key = toObjectName('large');
    const store = await fixture.open(await fixture.directory());
    await store.put(key, bytesOf(BIG_BYTES), {});
    let mostPieces = 0;
    let piecesOfTurn = 0;
    let isReading = true;
    const onTurn = (): void => {
      mostPieces = Math.max(mostPieces, piecesOfTurn);
      piecesOfTurn = 0;
      if (isReading) setImmediate(onTurn);
    };
    onTurn();

    const lengths = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const reader = await store.open(key);
        let length = 0;
        await reader?.copyTo(piece => {
          piecesOfTurn += 1;
          length += piece.length;
          return undefined;
        });
        await reader?.close();
        return length;
      }),
    );
    isReading = false;

    expect(lengths).toEqual(lengths.map(() => BIG_BYTES));
    expect(mostPieces).toBeLessThanOrEqual(2);
  });
});
