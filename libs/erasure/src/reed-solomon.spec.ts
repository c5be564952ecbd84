import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ColumnShape } from './column-shape.js';
import { TableKernel } from './kernel/table-kernel.js';
import { WasmKernel } from './kernel/wasm-kernel.js';
import { MAX_DATA_SHARDS, MAX_PARITY_SHARDS, ReedSolomon } from './reed-solomon.js';
import { KNOWN_ANSWERS } from './testing/known-answers.js';
import { choicesOf, sampleBytes } from './testing/sample-bytes.js';
import { slowParity } from './testing/slow-field.js';

function hexOf(shards: readonly Uint8Array[]): string[] {
  return shards.map(shard => Buffer.from(shard).toString('hex'));
}

/** Data shards of these lengths, and their parity. */
function coded(
  coder: ReedSolomon,
  dataBytes: readonly number[],
  seed = 1,
): { shards: Uint8Array[]; shape: ColumnShape } {
  const shape = { widthBytes: Math.max(...dataBytes), dataBytes };
  const data = dataBytes.map((length, index) => sampleBytes(length, seed + index));
  const parity = Array.from({ length: coder.parityShards }, () => new Uint8Array(shape.widthBytes).fill(0xee));
  coder.encode(data, parity, shape);
  return { shards: [...data, ...parity], shape };
}

/** Loses these shards and makes them again. */
function restored(
  coder: ReedSolomon,
  shards: readonly Uint8Array[],
  lost: readonly number[],
  shape?: ColumnShape,
): Uint8Array[] {
  const wanted = lost.map(shard => ({ shard, into: new Uint8Array(shards[shard]?.length ?? 0).fill(0xee) }));
  const left = shards.map((shard, index) => (lost.includes(index) ? undefined : shard));
  coder.reconstruct(left, wanted, shape);
  return wanted.map(({ into }) => into);
}

describe.each([new WasmKernel(), new TableKernel()])('Reed–Solomon with the $name kernel', kernel => {
  it.each(KNOWN_ANSWERS)(
    'makes the parity that ISA-L makes, $dataShards data shards',
    ({ dataShards, data, parity }) => {
      const coder = new ReedSolomon(dataShards, parity.length, kernel);
      const shards = data.map((hex, index) => {
        expect(hexOf([sampleBytes(32, index)])).toEqual([hex]);
        return Buffer.from(hex, 'hex');
      });
      const made = parity.map(() => new Uint8Array(32));
      coder.encode(shards, made);
      expect(hexOf(made)).toEqual(parity);
      expect(hexOf(slowParity(shards, parity.length, 32))).toEqual(parity);
    },
  );

  it.each([
    [4, 2],
    [2, 1],
    [1, 1],
    [1, 3],
    [3, 3],
    [8, 3],
    [5, 4],
  ])('restores every loss of up to m shards of %d+%d', (dataShards, parityShards) => {
    const coder = new ReedSolomon(dataShards, parityShards, kernel);
    const { shards } = coded(coder, Array<number>(dataShards).fill(97));
    for (let losses = 0; losses <= parityShards; losses += 1) {
      for (const lost of choicesOf(dataShards + parityShards, losses)) {
        expect(hexOf(restored(coder, shards, lost))).toEqual(
          hexOf(lost.map(shard => shards[shard] ?? new Uint8Array())),
        );
      }
    }
  });

  it('restores any loss of any code, with data shards of any length', () => {
    const loss = fc
      .record({ k: fc.integer({ min: 1, max: MAX_DATA_SHARDS }), m: fc.integer({ min: 1, max: MAX_PARITY_SHARDS }) })
      .chain(({ k, m }) =>
        fc.record({
          m: fc.constant(m),
          dataBytes: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: k, maxLength: k }),
          lost: fc.shuffledSubarray([...Array(k + m).keys()], { maxLength: m }),
          seed: fc.nat(1000),
        }),
      );
    fc.assert(
      fc.property(loss, ({ m, dataBytes, lost, seed }) => {
        const coder = new ReedSolomon(dataBytes.length, m, kernel);
        const { shards, shape } = coded(coder, dataBytes, seed);
        const found = restored(coder, shards, lost, shape);
        expect(hexOf(found)).toEqual(hexOf(lost.map(shard => shards[shard] ?? new Uint8Array())));
      }),
    );
  });

  it('codes a part of the columns as the whole', () => {
    const coder = new ReedSolomon(4, 2, kernel);
    const { shards } = coded(coder, [1000, 1000, 1000, 1000]);
    const parts = shards.map(shard => shard.subarray(333, 444));
    expect(hexOf(restored(coder, parts, [0, 5]))).toEqual(
      hexOf([parts[0], parts[5]].map(part => part ?? new Uint8Array())),
    );
  });

  it('makes one wanted shard of several missing, from any k', () => {
    const coder = new ReedSolomon(4, 2, kernel);
    const { shards } = coded(coder, [64, 64, 64, 64]);
    const into = new Uint8Array(64);
    coder.reconstruct([undefined, shards[1], undefined, shards[3], shards[4], shards[5]], [{ shard: 2, into }]);
    expect(hexOf([into])).toEqual(hexOf(shards.slice(2, 3)));
  });

  // More patterns than the cache keeps, twice: what was dropped is computed again.
  it('goes on when its cache is full', () => {
    const coder = new ReedSolomon(6, 6, kernel);
    const { shards } = coded(coder, Array<number>(6).fill(3));
    const patterns = choicesOf(12, 6).slice(0, 400);
    for (const lost of [...patterns, ...patterns]) {
      expect(hexOf(restored(coder, shards, lost))).toEqual(hexOf(lost.map(shard => shards[shard] ?? new Uint8Array())));
    }
  });
});

function bytes(...lengths: number[]): Uint8Array[] {
  return lengths.map(length => new Uint8Array(length));
}

describe('Reed–Solomon', () => {
  const coder = new ReedSolomon(2, 1);

  it.each([
    [0, 1],
    [1, 0],
    [MAX_DATA_SHARDS + 1, 1],
    [1, MAX_PARITY_SHARDS + 1],
    [1.5, 1],
    [2, Number.NaN],
  ])('refuses to be %d+%d', (dataShards, parityShards) => {
    expect(() => new ReedSolomon(dataShards, parityShards)).toThrow(RangeError);
  });

  it('refuses to encode what does not fit', () => {
    expect(() => coder.encode(bytes(4), bytes(4))).toThrow(RangeError);
    expect(() => coder.encode(bytes(4, 4), bytes(4, 4))).toThrow(RangeError);
    expect(() => coder.encode(bytes(4, 3), bytes(4))).toThrow('Shard 1 has 3 bytes instead of 4');
    expect(() => coder.encode(bytes(4, 4), bytes(3))).toThrow(RangeError);
    expect(() => coder.encode(bytes(4, 2), bytes(4), { widthBytes: 4, dataBytes: [4, 3] })).toThrow(RangeError);
    expect(() => coder.encode(bytes(4, 5), bytes(4), { widthBytes: 4, dataBytes: [4, 5] })).toThrow(RangeError);
    expect(() => coder.encode(bytes(4, 4), bytes(4), { widthBytes: 4, dataBytes: [4] })).toThrow(RangeError);
  });

  it('refuses to reconstruct from too little, or what does not fit', () => {
    const [into = new Uint8Array()] = bytes(4);
    const [a, b, short] = bytes(4, 4, 3);
    expect(() => coder.reconstruct([undefined, a], [{ shard: 0, into }])).toThrow(RangeError);
    expect(() => coder.reconstruct([undefined, a, undefined], [{ shard: 0, into }])).toThrow('1 shards are there');
    expect(() => coder.reconstruct([undefined, a, short], [{ shard: 0, into }])).toThrow(RangeError);
    expect(() => coder.reconstruct([undefined, a, b], [{ shard: 1, into }])).toThrow('is wanted, but is there');
    expect(() => coder.reconstruct([undefined, a, b], [{ shard: 3, into }])).toThrow('There is no shard 3');
    expect(() => coder.reconstruct([undefined, a, b], [{ shard: -1, into }])).toThrow(RangeError);
    expect(() => coder.reconstruct([undefined, a, b], [{ shard: 0, into: into.subarray(1) }])).toThrow(RangeError);
  });

  it('does nothing when nothing is wanted, and codes nothing when there is nothing', () => {
    coder.reconstruct([undefined, ...bytes(4, 4)], []);
    coder.encode(bytes(0, 0), bytes(0));
  });
});
