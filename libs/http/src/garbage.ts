import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** node gives every chunk of a body a buffer of its own; without this some 30 MiB of dead ones wait for a collection. */
const COLLECT_EVERY_BYTES = 16 * 1024 * 1024;
/** What is smaller is cheaper to collect than to free. */
const FREED_BYTES = 16 * 1024;

type Transfer = (this: ArrayBufferLike, length: number) => ArrayBuffer;

let collect: ((options?: { type: 'minor' }) => void) | undefined;
let transfer: Transfer | undefined;
let chunkBytes = 0;

/** To be told of every chunk of a body that is not freed. Collects the young generation, in well under a millisecond, every 16 MiB. */
export function countChunk(bytes: number): void {
  chunkBytes += bytes;
  if (chunkBytes < COLLECT_EVERY_BYTES) return;
  chunkBytes = 0;
  collect?.({ type: 'minor' });
}

/**
 * Gives the memory of a chunk back at once, after which the chunk is empty. Left to the collector, the dead
 * chunks of a large body cost about four collections of the whole heap for every 64 MiB
 * (docs/decisions/0010-freed-chunks.md). Nobody may be reading it any more, nor may the kernel for a write that is
 * under way.
 */
export function freeChunk(chunk: Buffer): void {
  const { buffer } = chunk;
  const isAlone = buffer.byteLength === chunk.byteLength;
  if (transfer !== undefined && isAlone && chunk.byteLength >= FREED_BYTES) transfer.call(buffer, 0);
  else countChunk(chunk.byteLength);
}

/**
 * To be called once a program has started: drops what loading its modules left behind, some 20 MiB,
 * and lets the young generation grow, which the launcher (bin/granary.cjs) had forbidden until now.
 * Before it, and in tests, nothing is collected or freed by hand.
 */
export function settleHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--expose-gc');
  // Node 20 has it behind a flag, which others do not know.
  if (!('transfer' in ArrayBuffer.prototype)) setFlagsFromString('--harmony-rab-gsab-transfer');
  collect = runInNewContext('gc') as typeof collect;
  transfer = runInNewContext('ArrayBuffer.prototype.transfer') as Transfer;
  keepTickShape();
  collect?.();
}

/**
 * While a tick is pending its hidden class survives the collection. Otherwise the next one would have another, and
 * V8, having seen two, would make every tick of the process in a slow way for good: 440 instead of 90 ns on Node 20
 * (bench/ticks.ts).
 */
function keepTickShape(): void {
  process.nextTick(() => undefined);
}
