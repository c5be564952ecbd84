import { GranaryError, type ObjectName } from '#contracts';
import type {
  CreateOptions,
  OpenOptions,
  PutOptions,
  RemoveOptions,
  RemoveResult,
  ShardInfo,
  ShardReader,
  ShardStore,
  ShardWriter,
} from '#storage';

/**
 * - `dead`: refuses connections. `hung`: never answers, and heeds no signal. `slow`: answers late.
 * - `full`, `refusing`: takes nothing. `empty`: has lost everything that it had.
 * - `damaged`: finds a bad block in all that it reads, after some bytes. `truncated`: says that its shards are shorter.
 * - `lying`: gives wrong bytes without knowing.
 */
export type Condition =
  'up' | 'dead' | 'hung' | 'slow' | 'full' | 'refusing' | 'empty' | 'damaged' | 'truncated' | 'lying';

const WRITES = new Set(['put', 'create', 'write', 'commit']);

/** A store behind faults that change at any moment, also in the middle of a write or a read. */
export class FaultyStore implements ShardStore {
  slowMs = 2000;
  readonly operations = new Map<string, number>();
  /** Writers and readers that were begun and not ended. */
  readonly underWay = { writers: 0, readers: 0 };
  private current: Condition = 'up';
  /** What waits for the condition to change. */
  private readonly stuck = new Set<() => void>();
  /** Called before each step: a test may change conditions there. */
  onStep: (step: string) => void = () => {};

  constructor(
    readonly id: string,
    readonly inner: ShardStore,
  ) {}

  get condition(): Condition {
    return this.current;
  }

  /** A server that hung goes on; what waited for it fails if it is dead now. */
  set condition(condition: Condition) {
    this.current = condition;
    if (condition === 'hung') return;
    for (const goOn of this.stuck) goOn();
    this.stuck.clear();
  }

  async put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    await this.step('put', options.signal);
    return this.inner.put(key, bytes, options);
  }

  async create(key: ObjectName, options: CreateOptions): Promise<ShardWriter> {
    await this.step('create', options.signal);
    const writer = await this.inner.create(key, options);
    this.underWay.writers += 1;
    let isEnded = false;
    const end = (): void => {
      if (!isEnded) this.underWay.writers -= 1;
      isEnded = true;
    };
    return {
      write: async chunk => {
        await this.step('write', options.signal);
        await writer.write(chunk);
      },
      commit: async commitOptions => {
        await this.step('commit', options.signal);
        const info = await writer.commit(commitOptions);
        end();
        return info;
      },
      abort: async () => {
        end();
        await writer.abort();
      },
    };
  }

  async open(key: ObjectName, options: OpenOptions = {}): Promise<ShardReader | undefined> {
    await this.step('open', options.signal);
    if (this.current === 'empty') return undefined;
    const reader = await this.inner.open(key, options);
    if (reader === undefined) return undefined;
    this.underWay.readers += 1;
    let isEnded = false;
    return {
      info: this.current === 'truncated' ? { ...reader.info, size: (reader.info.size ?? 0) - 1 } : reader.info,
      copyTo: (sink, range, copyOptions) =>
        reader.copyTo(
          async chunk => {
            await this.step('read', copyOptions?.signal);
            // Small pieces, so that a fault may come between any two.
            for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
              await this.step('piece', copyOptions?.signal);
              if (this.current === 'damaged' && at > 0) throw damaged();
              const piece = Buffer.from(chunk.subarray(at, at + PIECE_BYTES));
              if (this.current === 'damaged' && chunk.length <= PIECE_BYTES) throw damaged();
              if (this.current === 'lying') piece[0] = (piece[0] ?? 0) ^ 1;
              await sink(piece);
              // The buffer is the store's again.
              piece.fill(0xee);
            }
          },
          range,
          copyOptions,
        ),
      close: async () => {
        if (!isEnded) this.underWay.readers -= 1;
        isEnded = true;
        await reader.close();
      },
    };
  }

  async stat(key: ObjectName): Promise<(ShardInfo & { size: number }) | undefined> {
    await this.step('stat', undefined);
    return this.inner.stat(key);
  }

  async remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult> {
    await this.step('remove', options.signal);
    return this.inner.remove(key, options);
  }

  private async step(step: string, signal: AbortSignal | undefined): Promise<void> {
    this.operations.set(step, (this.operations.get(step) ?? 0) + 1);
    this.onStep(step);
    if (this.current === 'hung') await new Promise<void>(resolve => this.stuck.add(resolve));
    if (this.current === 'slow' && step !== 'piece') await delay(this.slowMs);
    if (signal?.aborted === true) throw signal.reason;
    if (this.current === 'dead') throw new GranaryError('data-server-unavailable', `${this.id} is dead.`);
    if (this.current === 'full' && WRITES.has(step)) throw new GranaryError('storage-full', `${this.id} is full.`);
    if (this.current === 'refusing' && WRITES.has(step)) throw new GranaryError('storage-failed', `${this.id} fails.`);
  }
}

const PIECE_BYTES = 48 * 1024;

function delay(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

function damaged(): GranaryError {
  return new GranaryError('object-damaged', 'A block does not match its checksum.');
}
