import { GranaryError } from '#contracts';
import type { DataServerClient, Field } from './data-server-client.js';
import type { HttpConnection, Response } from './http-connection.js';
import { refusalOf } from './refusal.js';

/**
 * The body of a PUT under way. Its end (the last chunk's marker, or of a body of fixed length the last
 * byte) waits for `finish`: whatever goes wrong before, the server cannot take the body for whole.
 */
export class StreamedUpload {
  private connection: HttpConnection | undefined;
  private received = 0;
  private lastByte: Buffer | undefined;

  constructor(
    private readonly client: DataServerClient,
    connection: HttpConnection,
    private readonly framing: 'length' | 'chunked',
    private readonly declaredLength: number | undefined,
  ) {
    this.connection = connection;
  }

  /**
   * When it resolves nobody reads the chunk any more. Rejects with the server's refusal if it answers
   * early, and with `body-incomplete` if more comes than was declared.
   */
  async write(chunk: Buffer): Promise<void> {
    const connection = this.live();
    this.received += chunk.length;
    if (this.received > (this.declaredLength ?? Infinity)) throw this.incomplete();
    if (chunk.length > 0) await this.send(connection, chunk);
    if (connection.hasAnswered) throw await this.refusal(connection);
  }

  /** Resolves to the server's 200. Trailers go with a chunked body only. */
  async finish(trailers: readonly Field[] = []): Promise<Response> {
    const connection = this.live();
    if (this.received !== (this.declaredLength ?? this.received)) throw this.incomplete();
    if (connection.hasAnswered) throw await this.refusal(connection);
    if (this.framing === 'length') connection.finish(this.lastByte ?? Buffer.alloc(0));
    else connection.finish(`0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
    const response = await this.client.receiveOutcome(connection);
    // From here on the connection may be another exchange's.
    this.connection = undefined;
    if (response.status !== 200) throw await refusalOf(this.client.address, response);
    response.discard();
    return response;
  }

  abort(): void {
    this.connection?.close();
    this.connection = undefined;
  }

  /** For a connection that has been answered already. */
  async refusal(connection: HttpConnection): Promise<GranaryError> {
    this.connection = undefined;
    return refusalOf(this.client.address, await connection.receive(0));
  }

  private send(connection: HttpConnection, chunk: Buffer): Promise<void> | undefined {
    if (this.framing === 'chunked') return connection.write(`${chunk.length.toString(16)}\r\n`, chunk, '\r\n');
    if (this.received < (this.declaredLength ?? Infinity)) return connection.write(chunk);
    this.lastByte = Buffer.from(chunk.subarray(-1));
    return chunk.length > 1 ? connection.write(chunk.subarray(0, -1)) : undefined;
  }

  private live(): HttpConnection {
    if (this.connection === undefined) throw new Error('The upload has ended.');
    return this.connection;
  }

  private incomplete(): GranaryError {
    this.abort();
    return new GranaryError(
      'body-incomplete',
      `${this.received} bytes came where ${this.declaredLength} were declared.`,
    );
  }
}
