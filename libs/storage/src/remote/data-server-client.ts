import { ROUTES, encodeObjectName, type ObjectName } from '#contracts';
import type { ConnectionPool } from './connection-pool.js';
import type { RequestSignature, RequestSigner } from '../request-signer.js';
import type { Exchange, HttpConnection, Response } from './http-connection.js';
import type { ResponseHead } from './response-parser.js';

export interface ClientTimeouts {
  /** For the head of an answer to anything that writes nothing. A write that takes longer is asked after. */
  answerMs: number;
  /** For 100 Continue. */
  continueMs: number;
  /** For the answer to a complete write, which is durable by then. */
  commitMs: number;
  /** For any answer of a server whose silence might mean that it hangs. */
  probeMs: number;
}

/** A request without its head, which the client writes. */
export interface Request extends Pick<Exchange, 'method' | 'body' | 'signal'> {
  key: ObjectName;
  fields?: readonly Field[];
}

/** A header's name and value. */
export type Field = readonly [name: string, value: string];

const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The exchanges with one data server: each on a connection of the pool, and repeated once if that had died idle and repeating is safe. */
export class DataServerClient {
  constructor(
    private readonly pool: ConnectionPool<HttpConnection>,
    private readonly timeouts: ClientTimeouts,
    /** In a cluster with a secret, for a server of ours. */
    private readonly signer?: RequestSigner,
  ) {}

  get address(): string {
    return this.pool.address;
  }

  /** GET and HEAD. */
  read(request: Request): Promise<Response> {
    return this.converse(request, true, connection => connection.receive(this.timeouts.answerMs), discard);
  }

  /** A write with all of its body. `isRepeatable`: done twice it is as if done once, the answer included. */
  write(request: Request, isRepeatable: boolean): Promise<Response> {
    return this.converse(request, isRepeatable, connection => this.receiveOutcome(connection), discard);
  }

  /**
   * Begins a streamed write, and waits for 100 Continue if the request expects it. A server that sends
   * neither that nor an answer is taken to ignore the expectation, unless it answers nothing else either.
   */
  beginUpload(request: Request, isContinueExpected: boolean): Promise<HttpConnection> {
    const streamed = { ...request, body: 'streamed' } as const;
    const begin = async (connection: HttpConnection): Promise<HttpConnection> => {
      if (isContinueExpected && (await connection.listen(this.timeouts.continueMs)) === 'silence') {
        await this.checkAlive(connection);
      }
      return connection;
    };
    return this.converse(streamed, true, begin, connection => connection.close());
  }

  /** The answer to a write whose request is complete. A slow disk gets time, a server that hangs does not. */
  async receiveOutcome(connection: HttpConnection): Promise<Response> {
    const { answerMs, commitMs } = this.timeouts;
    if ((await connection.listen(answerMs)) === 'silence') await this.checkAlive(connection);
    return connection.receive(commitMs - answerMs);
  }

  /** Signs, if that is asked for, and once more if the server wants it signed anew: then it has done nothing yet. */
  private async converse<T>(
    request: Request,
    isRepeatable: boolean,
    talk: (connection: HttpConnection) => Promise<T>,
    drop: (refused: T) => void,
  ): Promise<T> {
    if (this.signer?.knows(this.address) === false) await this.greet(this.signer);
    const first = await this.attempt(request, isRepeatable, talk);
    if (!first.isChallenged) return first.result;
    drop(first.result);
    const { result } = await this.attempt(request, isRepeatable, talk);
    return result;
  }

  private async attempt<T>(
    request: Request,
    isRepeatable: boolean,
    talk: (connection: HttpConnection) => Promise<T>,
  ): Promise<{ result: T; isChallenged: boolean }> {
    request.signal?.throwIfAborted();
    const connection = await this.pool.acquire();
    const sent = this.exchangeOf(request);
    try {
      connection.start(sent.exchange);
      return { result: await talk(connection), isChallenged: sent.isChallenged() };
    } catch (error) {
      if (!isRepeatable || !connection.wasStale) throw error;
    }
    const fresh = await this.pool.acquire({ fresh: true });
    const again = this.exchangeOf(request);
    fresh.start(again.exchange);
    return { result: await talk(fresh), isChallenged: again.isChallenged() };
  }

  /** For one sending: a signature is used once. */
  private exchangeOf({ method, key, fields = [], body, signal }: Request) {
    const target = `${ROUTES.objects}${encodeObjectName(key)}`;
    const signature = this.signer?.sign({ address: this.address, method, target, fields });
    const head = this.headOf(method, target, fields, signature);
    let isChallenged = false;
    const isBelieved =
      signature &&
      (({ status, fields: answered }: ResponseHead): boolean => {
        const verdict = signature.judge(status, name => answered.get(name));
        isChallenged = verdict === 'challenged';
        return verdict !== 'unproven';
      });
    return { exchange: { method, head, body, signal, isBelieved }, isChallenged: () => isChallenged };
  }

  private headOf(
    method: string,
    target: string,
    fields: readonly Field[],
    signature: RequestSignature | undefined,
  ): string {
    let head = `${method} ${target} HTTP/1.1\r\nHost: ${this.address}\r\n`;
    for (const [name, value] of fields) {
      if (!FIELD_VALUE.test(value)) throw new Error(`The value of ${name} cannot be sent in a header.`);
      head += `${name}: ${value}\r\n`;
    }
    if (signature !== undefined) head += `Authorization: ${signature.authorization}\r\n`;
    return `${head}\r\n`;
  }

  /** Asks for a challenge by itself: a body goes out only with a signature. */
  private async greet(signer: RequestSigner): Promise<void> {
    const signature = signer.sign({ address: this.address, method: 'GET', target: ROUTES.identity, fields: [] });
    const connection = await this.pool.acquire();
    connection.start({
      method: 'GET',
      head: this.headOf('GET', ROUTES.identity, [], signature),
      isBelieved: ({ status, fields }) => signature.judge(status, name => fields.get(name)) !== 'unproven',
    });
    (await connection.receive(this.timeouts.answerMs)).discard();
  }

  private async checkAlive(connection: HttpConnection): Promise<void> {
    if (await this.isAlive()) return;
    throw connection.breakOff('timeout', 'takes connections and requests, but answers nothing');
  }

  /** Any answer will do. */
  private async isAlive(): Promise<boolean> {
    try {
      const connection = await this.pool.acquire();
      connection.start({ method: 'GET', head: `GET ${ROUTES.healthLive} HTTP/1.1\r\nHost: ${this.address}\r\n\r\n` });
      const response = await connection.receive(this.timeouts.probeMs);
      response.discard();
      return true;
    } catch {
      return false;
    }
  }
}

function discard(response: Response): void {
  response.discard();
}
