import type { KeyHash } from '#contracts';

/** What the record behind an entry is. */
export const ENTRY_KINDS = {
  /** A small object in a pack. */
  packed: 1,
  tombstone: 2,
  /** Nothing is here; the record keeps older ones from coming back at the next start. */
  forgotten: 3,
  /** A large object in a file of its own. */
  file: 4,
  /** Damaged, and set aside in quarantine/. */
  quarantined: 5,
} as const;
export type EntryKind = (typeof ENTRY_KINDS)[keyof typeof ENTRY_KINDS];

export interface IndexEntry {
  kind: EntryKind;
  stamp: number;
  sequence: number;
  /** Of the record in the pack, or, of a large object, the size of the object. */
  length: number;
  /** The pack that has the record, and where; 0 if none has. */
  pack: number;
  offset: number;
  /** Known to fail its checksums. */
  damaged: boolean;
}

/**
 * A map from key hash to entry in typed arrays, some 55 bytes an entry: an open-addressing table of
 * slots over entries that stay where they are. Iteration tolerates changes.
 */
export class ObjectIndex {
  private slots = new Uint32Array(1024);
  private readonly chunks: Chunk[] = [];
  private readonly freeIds: number[] = [];
  private nextId = 1;
  size = 0;

  get(hash: KeyHash): IndexEntry | undefined {
    return this.entryAt(this.slots[this.slotOf(keyOf(hash))] ?? 0);
  }

  set(hash: KeyHash, entry: IndexEntry): void {
    this.setKey(keyOf(hash), entry);
  }

  delete(hash: KeyHash): void {
    const slot = this.slotOf(keyOf(hash));
    const id = this.slots[slot] ?? 0;
    if (id === 0) return;
    this.chunkOf(id).kinds[id % CHUNK_ENTRIES] = 0;
    this.freeIds.push(id);
    this.size -= 1;
    this.closeGap(slot);
  }

  /** Each entry (of the kinds asked for) with its hash; those that change meanwhile may be seen in either state, or both, or not. */
  *entries(kinds: readonly EntryKind[] = ALL_KINDS): Iterable<[KeyHash, IndexEntry]> {
    for (let id = 1; id < this.nextId; id += 1) {
      const kind = this.kindAt(id);
      if (kind === 0 || !kinds.includes(kind)) continue;
      const entry = this.entryAt(id);
      if (entry !== undefined) yield [this.hashAt(id), entry];
    }
  }

  private setKey(key: Key, entry: IndexEntry): void {
    let slot = this.slotOf(key);
    let id = this.slots[slot] ?? 0;
    if (id === 0) {
      if ((this.size + 1) * 10 > this.slots.length * 7) {
        this.grow();
        slot = this.slotOf(key);
      }
      id = this.newId();
      this.slots[slot] = id;
      this.size += 1;
    }
    this.store(id, key, entry);
  }

  private newId(): number {
    const free = this.freeIds.pop();
    if (free !== undefined) return free;
    const id = this.nextId;
    this.nextId += 1;
    if (id % CHUNK_ENTRIES === 0 || this.chunks.length === 0) this.chunks.push(newChunk());
    return id;
  }

  private chunkOf(id: number): Chunk {
    const chunk = this.chunks[Math.floor(id / CHUNK_ENTRIES)];
    if (chunk === undefined) throw new Error(`There is no entry ${id}.`);
    return chunk;
  }

  private store(id: number, key: Key, entry: IndexEntry): void {
    const chunk = this.chunkOf(id);
    const at = id % CHUNK_ENTRIES;
    chunk.keys[at * 4] = key[0];
    chunk.keys[at * 4 + 1] = key[1];
    chunk.keys[at * 4 + 2] = key[2];
    chunk.keys[at * 4 + 3] = key[3];
    chunk.kinds[at] = entry.kind | (entry.damaged ? DAMAGED_BIT : 0);
    chunk.stamps[at] = entry.stamp;
    chunk.sequences[at] = entry.sequence;
    chunk.lengths[at] = entry.length;
    chunk.packs[at] = entry.pack;
    chunk.offsets[at] = entry.offset;
  }

  private entryAt(id: number): IndexEntry | undefined {
    const kind = this.kindAt(id);
    if (kind === 0) return undefined;
    const chunk = this.chunkOf(id);
    const at = id % CHUNK_ENTRIES;
    return {
      kind,
      stamp: chunk.stamps[at] ?? 0,
      sequence: chunk.sequences[at] ?? 0,
      length: chunk.lengths[at] ?? 0,
      pack: chunk.packs[at] ?? 0,
      offset: chunk.offsets[at] ?? 0,
      damaged: ((chunk.kinds[at] ?? 0) & DAMAGED_BIT) !== 0,
    };
  }

  /** 0 where there is no entry. */
  private kindAt(id: number): EntryKind | 0 {
    if (id === 0) return 0;
    return ((this.chunkOf(id).kinds[id % CHUNK_ENTRIES] ?? 0) & ~DAMAGED_BIT) as EntryKind | 0;
  }

  private hashAt(id: number): KeyHash {
    const { keys } = this.chunkOf(id);
    const at = (id % CHUNK_ENTRIES) * 4;
    let hash = '';
    for (let word = 0; word < 4; word += 1) hash += (keys[at + word] ?? 0).toString(16).padStart(8, '0');
    return hash as KeyHash;
  }

  /** The slot that has the key, or the empty one where it belongs. Hashes are uniform, so their first word is hash enough. */
  private slotOf(key: Key): number {
    const mask = this.slots.length - 1;
    let slot = key[0] & mask;
    for (let id = this.slots[slot] ?? 0; id !== 0 && !this.hasKey(id, key); id = this.slots[slot] ?? 0) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private hasKey(id: number, key: Key): boolean {
    const { keys } = this.chunkOf(id);
    const at = (id % CHUNK_ENTRIES) * 4;
    return keys[at] === key[0] && keys[at + 1] === key[1] && keys[at + 2] === key[2] && keys[at + 3] === key[3];
  }

  private firstWord(id: number): number {
    return this.chunkOf(id).keys[(id % CHUNK_ENTRIES) * 4] ?? 0;
  }

  /** Moves up what linear probing had pushed past the slot that is now empty (Knuth, TAOCP 6.4, algorithm R). */
  private closeGap(empty: number): void {
    const mask = this.slots.length - 1;
    let gap = empty;
    for (let slot = (gap + 1) & mask; ; slot = (slot + 1) & mask) {
      const id = this.slots[slot] ?? 0;
      if (id === 0) break;
      const home = this.firstWord(id) & mask;
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        this.slots[gap] = id;
        gap = slot;
      }
    }
    this.slots[gap] = 0;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Uint32Array(old.length * 2);
    const mask = this.slots.length - 1;
    for (const id of old) {
      if (id === 0) continue;
      let slot = this.firstWord(id) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = id;
    }
  }
}

type Key = readonly [number, number, number, number];

interface Chunk {
  keys: Uint32Array;
  kinds: Uint8Array;
  stamps: Float64Array;
  sequences: Float64Array;
  lengths: Float64Array;
  packs: Uint32Array;
  offsets: Uint32Array;
}

const CHUNK_ENTRIES = 4096;
const ALL_KINDS = Object.values(ENTRY_KINDS);
const DAMAGED_BIT = 0x80;

function newChunk(): Chunk {
  return {
    keys: new Uint32Array(CHUNK_ENTRIES * 4),
    kinds: new Uint8Array(CHUNK_ENTRIES),
    stamps: new Float64Array(CHUNK_ENTRIES),
    sequences: new Float64Array(CHUNK_ENTRIES),
    lengths: new Float64Array(CHUNK_ENTRIES),
    packs: new Uint32Array(CHUNK_ENTRIES),
    offsets: new Uint32Array(CHUNK_ENTRIES),
  };
}

let lastHash = '';
let lastKey: Key = [0, 0, 0, 0];

/** One operation asks for the same hash several times. */
function keyOf(hash: KeyHash): Key {
  if (hash !== lastHash) {
    lastKey = [wordAt(hash, 0), wordAt(hash, 8), wordAt(hash, 16), wordAt(hash, 24)];
    lastHash = hash;
  }
  return lastKey;
}

/** Eight lower-case hex digits; several times as fast as parseInt. */
function wordAt(hash: string, start: number): number {
  let word = 0;
  for (let at = start; at < start + 8; at += 1) {
    const code = hash.charCodeAt(at);
    word = (word << 4) | (code < 58 ? code - 48 : code - 87);
  }
  return word >>> 0;
}
