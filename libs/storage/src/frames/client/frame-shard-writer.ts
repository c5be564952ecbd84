import { crc32c } from '@node-rs/crc32';
import { GranaryError } from '#contracts';
import type { ExpectedDigests, ShardInfo, ShardWriter } from '../../shard-store.js';
import { DataFramer } from '../codec/data-framer.js';
import { encodeCommit } from '../codec/request-frames.js';
import { refusalOfAnswer } from './failure.js';
import type { FrameClient } from './frame-client.js';
import type { FrameConnection } from './frame-connection.js';

/** Streams to one of our data servers, which does all the checking. An upload is open until `commit`, `abort` or a failure, however late its bytes are. */
export class FrameShardWriter implements ShardWriter {
  /** The connection has written all of it by then, or the write fails. */
  readonly releasesChunks = true;

  private connection: FrameConnection | undefined;
  private readonly framer: DataFramer;
  private received = 0;
  private checksum = 0;
  /** Frames of chunks that wait for the next one. */
  private held: Buffer[] = [];

  constructor(
    private readonly client: FrameClient,
    connection: FrameConnection,
    private readonly length: number | undefined,
  ) {
    this.connection = connection;
    // A frame for each chunk: in the midst of a longer one there could be no sign of life.
    this.framer = new DataFramer(undefined, connection.exchangeNumber);
  }

  /** Rejects with the server's refusal if it answers early, and with `body-incomplete` if more comes than was declared. */
  async write(chunk: Buffer, more = false): Promise<void> {
    const connection = this.live();
    this.received += chunk.length;
    if (this.received > (this.length ?? Infinity)) throw this.incomplete();
    this.checksum = crc32c(chunk, this.checksum);
    this.held.push(...this.framer.frame(chunk));
    if (more || this.held.length === 0) return;
    await connection.write(this.held.splice(0));
    if (connection.hasAnswered) throw await this.refusal(connection);
  }

  async commit({ expected = {} }: { expected?: ExpectedDigests } = {}): Promise<ShardInfo> {
    const connection = this.live();
    if (this.received !== (this.length ?? this.received)) throw this.incomplete();
    if (connection.hasAnswered) throw await this.refusal(connection);
    connection.commit(encodeCommit({ crc32c: this.checksum, expected }, connection.exchangeNumber));
    const answer = await this.client.receiveOutcome(connection);
    // From here on the connection may be another exchange's.
    this.connection = undefined;
    if (answer.kind !== 'stored') throw refusalOfAnswer(this.client.address, answer);
    return answer.info;
  }

  async abort(): Promise<void> {
    this.connection?.close();
    this.connection = undefined;
  }

  private async refusal(connection: FrameConnection): Promise<GranaryError> {
    this.connection = undefined;
    return refusalOfAnswer(this.client.address, await connection.receive(0));
  }

  private live(): FrameConnection {
    if (this.connection === undefined) throw new Error('The upload has ended.');
    return this.connection;
  }

  private incomplete(): GranaryError {
    this.connection?.close();
    this.connection = undefined;
    return new GranaryError('body-incomplete', `${this.received} bytes came where ${this.length} were declared.`);
  }
}
