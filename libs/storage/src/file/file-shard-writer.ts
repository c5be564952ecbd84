import { crc32c } from '@node-rs/crc32';
import { GranaryError, type ObjectName } from '#contracts';
import { contentHash } from '../content-hash.js';
import { checkTransfer } from '../damaged-transfer.js';
import { checkDigests } from '../declared-digests.js';
import type { CreateOptions, ExpectedDigests, LocalShardWriter, ShardInfo } from '../shard-store.js';
import { commitLarge, commitSmall } from './commit-object.js';
import { diskError } from './disk-access.js';
import type { SpaceClaim } from './free-space.js';
import { LargeFileWriter } from './large-file-writer.js';
import type { StoreParts } from './store-parts.js';

export interface ObjectLimits {
  /** Objects up to this size go to packs. */
  maxPackedBytes: number;
  maxObjectSizeBytes: number;
}

/** Collects a small object in memory; turns to a file when there is more. */
export class FileShardWriter implements LocalShardWriter {
  readonly checksTransfers = true;
  readonly releasesChunks = true;
  private collected: Buffer[] = [];
  private received = 0;
  private file: LargeFileWriter | undefined;
  private state: 'open' | 'failed' | 'ended' = 'open';
  /** What was asked for last. */
  private underWay: Promise<unknown> | undefined;

  constructor(
    private readonly parts: StoreParts,
    private readonly name: ObjectName,
    private readonly options: CreateOptions,
    private readonly limits: ObjectLimits,
    private readonly claim: SpaceClaim,
  ) {}

  /** Opens the file at once if it is known to be needed: what can be refused should be refused before the first byte. */
  async prepare(): Promise<this> {
    if ((this.options.length ?? 0) > this.limits.maxPackedBytes) await this.guarded(() => this.openFile());
    return this;
  }

  write(chunk: Buffer): Promise<void> | undefined {
    return this.guarded(() => {
      this.received += chunk.length;
      this.checkReceived();
      if (this.file !== undefined) return this.file.write(chunk);
      if (this.received > this.limits.maxPackedBytes) return this.turnToFile(chunk);
      this.collected.push(Buffer.from(chunk));
      return undefined;
    });
  }

  commit(options: { expected?: ExpectedDigests; crc32c?: number } = {}): Promise<ShardInfo> {
    return this.guarded(async () => {
      const info = await this.store({ ...this.options.expected, ...options.expected }, options.crc32c);
      this.state = 'ended';
      this.claim.release();
      return info;
    });
  }

  /** Waits for what is under way: a descriptor or buffer that is still in use would be another object's next. */
  async abort(): Promise<void> {
    if (this.state === 'open') this.state = 'failed';
    await this.underWay?.catch(() => {});
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.collected = [];
    await this.file?.abort();
    this.claim.release();
  }

  private async store(expected: ExpectedDigests, sent: number | undefined): Promise<ShardInfo> {
    const { length = this.received } = this.options;
    if (this.received !== length) throw incomplete(this.received, length);
    if (this.file !== undefined) {
      return commitLarge(this.parts, this.name, this.file, await this.file.finish(expected, sent), this.options);
    }
    const bytes = Buffer.concat(this.collected);
    return storeSmall(this.parts, this.name, bytes, { ...this.options, expected, sent }, this.claim);
  }

  private async turnToFile(chunk: Buffer): Promise<void> {
    await this.openFile();
    await this.file?.write(chunk);
  }

  private async openFile(): Promise<void> {
    const { disk, buffers, layout } = this.parts;
    const { expected } = this.options;
    this.file = await LargeFileWriter.create({ disk, layout, buffers, expected, claim: this.claim });
    for (const chunk of this.collected) await this.file.write(chunk);
    this.collected = [];
  }

  private checkReceived(): void {
    const { length } = this.options;
    if (length !== undefined && this.received > length) throw incomplete(this.received, length);
    if (this.received > this.limits.maxObjectSizeBytes) throw tooLarge(this.limits.maxObjectSizeBytes);
  }

  /** Whatever fails comes as a rejection; what the task does at once costs no promise. */
  private guarded<T>(task: () => Promise<T>): Promise<T>;
  private guarded(task: () => Promise<void> | undefined): Promise<void> | undefined;
  private guarded<T>(task: () => Promise<T> | undefined): Promise<T> | undefined {
    if (this.state !== 'open') return Promise.reject(new Error(`The writer has ${this.state}.`));
    try {
      this.options.signal?.throwIfAborted();
      const doing = task()?.catch(this.fail);
      this.underWay = doing;
      return doing;
    } catch (error) {
      return Promise.reject(this.failure(error));
    }
  }

  private readonly fail = (error: unknown): never => {
    throw this.failure(error);
  };

  private failure(error: unknown): unknown {
    this.state = 'failed';
    return error === this.options.signal?.reason ? error : diskError(error, 'writing an object');
  }
}

/** Checks and commits a small object that is whole in memory. `sent`: the CRC-32C that its sender told. */
export async function storeSmall(
  parts: StoreParts,
  name: ObjectName,
  bytes: Buffer,
  options: CreateOptions & { sent?: number | undefined },
  claim: SpaceClaim,
): Promise<ShardInfo> {
  const crc = crc32c(bytes);
  checkTransfer(crc, options.sent);
  checkDigests(bytes, options.expected);
  const written = { size: bytes.length, etag: contentHash.of(bytes), crc };
  claim.wrote(bytes.length);
  return commitSmall(parts, name, bytes, written, options);
}

export function tooLarge(limit: number): GranaryError {
  return new GranaryError('object-too-large', `An object may have at most ${limit} bytes here.`);
}

function incomplete(received: number, length: number): GranaryError {
  return new GranaryError('body-incomplete', `${received} bytes came where ${length} were declared.`);
}
