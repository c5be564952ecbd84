import { NOWHERE, type BlobLayout } from '../model/blob.js';
import type { ServerId } from '../model/ids.js';

/**
 * A layout in the database: a byte for the format (1), a byte for the shards of a segment, then for each
 * shard the number of its server (table `servers`) as 16 bits, low byte first; 0 for one that is nowhere.
 */
const FORMAT = 1;
const HEADER_BYTES = 2;

export function encodeLayout(layout: BlobLayout, numbers: ReadonlyMap<ServerId, number>): Buffer {
  const bytes = Buffer.allocUnsafeSlow(HEADER_BYTES + layout.shards.length * 2);
  bytes[0] = FORMAT;
  bytes[1] = layout.shardsPerSegment;
  const numberOf = layout.servers.map(server => numbers.get(server) ?? 0);
  layout.shards.forEach((server, position) => {
    bytes.writeUInt16LE(server === NOWHERE ? 0 : (numberOf[server] ?? 0), HEADER_BYTES + position * 2);
  });
  return bytes;
}

/** Throws when the database is of another format. `serverOf` must know every number. */
export function decodeLayout(stored: Uint8Array, serverOf: (number: number) => ServerId): BlobLayout {
  if (stored[0] !== FORMAT) throw new Error(`a blob's layout has format ${stored[0]}`);
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const shards = new Uint16Array((stored.length - HEADER_BYTES) / 2);
  const servers: ServerId[] = [];
  const indexes = new Map<number, number>();
  for (let position = 0; position < shards.length; position += 1) {
    const number = view.getUint16(HEADER_BYTES + position * 2, true);
    if (number === 0) shards[position] = NOWHERE;
    else {
      let index = indexes.get(number);
      if (index === undefined) {
        index = servers.push(serverOf(number)) - 1;
        indexes.set(number, index);
      }
      shards[position] = index;
    }
  }
  return { shardsPerSegment: stored[1] ?? 0, servers, shards };
}

/** The server numbers that occur, each once. */
export function serverNumbers(stored: Uint8Array): number[] {
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const numbers = new Set<number>();
  for (let offset = HEADER_BYTES; offset < stored.length; offset += 2) numbers.add(view.getUint16(offset, true));
  numbers.delete(0);
  return [...numbers];
}
