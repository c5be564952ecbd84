import { GranaryError } from '#contracts';
import type { CreateOptions, ExpectedDigests, ShardInfo, ShardWriter } from '../shard-store.js';
import { declaredAlgorithms } from '../declared-digests.js';
import { digestFields, readInfo } from './object-fields.js';
import type { StreamedUpload } from './streamed-upload.js';

/** Streams to one of our data servers, which does all the checking. */
export class RemoteShardWriter implements ShardWriter {
  readonly releasesChunks = true;

  private received = 0;

  constructor(
    private readonly address: string,
    private readonly upload: StreamedUpload,
    private readonly framing: 'length' | 'chunked',
    private readonly options: CreateOptions,
  ) {}

  async write(chunk: Buffer): Promise<void> {
    this.received += chunk.length;
    await this.upload.write(chunk);
  }

  async commit({ expected = {} }: { expected?: ExpectedDigests } = {}): Promise<ShardInfo> {
    const late = this.toldLate(expected);
    const response = await this.upload.finish(digestFields(late));
    return readInfo(this.address, response, this.received, this.options.attributes ?? {});
  }

  async abort(): Promise<void> {
    this.upload.abort();
  }

  /** The digests that the head of the request has not told. */
  private toldLate(expected: ExpectedDigests): ExpectedDigests {
    const late: ExpectedDigests = {};
    for (const algorithm of declaredAlgorithms(expected)) {
      const [told, digest] = [this.options.expected?.[algorithm], expected[algorithm]];
      if (digest === undefined || told?.equals(digest)) continue;
      if (told !== undefined)
        throw new GranaryError('digest-mismatch', `Two different ${algorithm} digests are declared.`);
      if (this.framing === 'length') throw new Error('A writer of known length must be told its digests at the start.');
      late[algorithm] = digest;
    }
    return late;
  }
}
