import type { Member } from '#cluster';
import { GranaryError, type ObjectName } from '#contracts';
import type { ShardStore, ShardWriter } from '#storage';
import { startDeadline } from '#time';
import type { StoredShard } from './remove-shards.js';
import type { Stripe } from './stripe.js';

export interface ShardLaneOptions {
  key: ObjectName;
  /** Bytes of the shard, if known. */
  length: number | undefined;
  /** The next server to try; undefined when none is left. */
  nextServer: () => Member | undefined;
  storeOf: (server: Member) => ShardStore;
  beginMs: number;
  pace: Pace;
  /** Called after every change of what the lane can take or has done. */
  onChange: () => void;
  onFailure: (server: Member, error: unknown) => void;
}

/** The bytes of a stripe that go to one shard. */
interface Piece {
  stripe: Stripe;
  bytes: Buffer;
}

/** Pieces that a lane may be behind the fastest, and how many of them it sends in one write. */
export interface Pace {
  window: number;
  together: number;
}

/** How many times as long a server may take to begin that no other can replace: a quorum may depend on it. */
const IRREPLACEABLE_PATIENCE = 3;

/**
 * The way of one shard to its server. Takes pieces without waiting; whoever feeds it looks at `hasRoom`
 * before. As long as no byte was sent, a server that fails is replaced by the next, and so is one that
 * does not begin in time, if there is a next; after that the shard is lost. Nothing here rejects.
 */
export class ShardLane {
  state: 'beginning' | 'writing' | 'committing' | 'durable' | 'lost' = 'beginning';
  /** How long others have waited for this lane, ms. */
  lagMs = 0;
  /** The server that has the shard, or is to get it. */
  server: Member | undefined;
  /** Resolves when nothing goes on any more. */
  readonly ended: Promise<void>;

  private readonly queue: Piece[] = [];
  private sending: readonly Piece[] = [];
  private isWhole = false;
  private mayBeStored = false;
  /** Taken for a server that does not begin in time. */
  private replacement: Member | undefined;
  private readonly abortion = new AbortController();
  private wake: () => void = () => {};

  constructor(private readonly options: ShardLaneOptions) {
    // Whoever makes the lane is to have it before it is told of changes.
    this.ended = Promise.resolve().then(() => this.run());
  }

  get isLost(): boolean {
    return this.state === 'lost';
  }

  get hasRoom(): boolean {
    return this.queue.length + this.sending.length < this.options.pace.window;
  }

  /** A shard that is at its server, or may be. To be asked when the lane has ended. */
  get stored(): StoredShard | undefined {
    if (this.server === undefined || !this.mayBeStored) return undefined;
    return { server: this.server, key: this.options.key };
  }

  /** The lane releases the stripe when it is done with the bytes. */
  push(piece: Piece): void {
    if (this.isLost || piece.bytes.length === 0) return piece.stripe.release();
    this.queue.push(piece);
    this.wake();
  }

  /** No more pieces will come: commit. */
  finish(): void {
    this.isWhole = true;
    this.wake();
  }

  /** The shard is not wanted any more. A commit goes on to its end: it is too late to stop it for certain. */
  giveUp(): void {
    if (this.state === 'durable' || this.isLost) return;
    if (this.state !== 'committing') this.abortion.abort(new Error('The shard is not wanted any more.'));
    this.lose();
    this.wake();
  }

  private async run(): Promise<void> {
    const writer = await this.begin();
    if (writer === undefined) return this.lose();
    try {
      await this.write(writer);
    } catch (error) {
      if (this.server !== undefined && !this.isLost) this.options.onFailure(this.server, error);
      this.lose();
      await writer.abort();
    }
  }

  /** Undefined when no server is left that takes the shard. */
  private async begin(): Promise<ShardWriter | undefined> {
    while (!this.isLost) {
      this.server = this.replacement ?? this.options.nextServer();
      this.replacement = undefined;
      if (this.server === undefined) return undefined;
      try {
        return await this.beginAt(this.server);
      } catch (error) {
        if (!this.isLost) this.options.onFailure(this.server, error);
      }
    }
    return undefined;
  }

  private async beginAt(server: Member): Promise<ShardWriter> {
    const { key, length, storeOf, beginMs } = this.options;
    const attempt = new AbortController();
    // For all of the writer's life: a store that is told stops at once.
    this.abortion.signal.addEventListener('abort', () => attempt.abort(this.abortion.signal.reason));
    const giveUp = (): void => attempt.abort(doesNotBegin(server));
    let cancelDeadline = startDeadline(beginMs, () => {
      this.replacement = this.options.nextServer();
      if (this.replacement !== undefined) giveUp();
      else cancelDeadline = startDeadline((IRREPLACEABLE_PATIENCE - 1) * beginMs, giveUp);
    });
    try {
      const creating = storeOf(server).create(key, { signal: attempt.signal, ...(length !== undefined && { length }) });
      return await unlessAborted(attempt.signal, creating);
    } finally {
      cancelDeadline();
    }
  }

  private async write(writer: ShardWriter): Promise<void> {
    if (!this.isLost) this.change('writing');
    while (!this.isWhole || this.queue.length > 0) {
      if (this.isLost) throw new Error('The lane was given up.');
      const { together } = this.options.pace;
      if (this.isWhole || this.queue.length >= together) await this.send(writer, this.queue.splice(0, together));
      else await new Promise<void>(resolve => (this.wake = resolve));
    }
    if (this.isLost) throw new Error('The lane was given up.');
    this.change('committing');
    this.mayBeStored = true;
    await writer.commit();
    if (!this.isLost) this.change('durable');
  }

  private async send(writer: ShardWriter, pieces: readonly Piece[]): Promise<void> {
    this.sending = pieces;
    try {
      for (const [index, { bytes }] of pieces.entries()) await writer.write(bytes, index < pieces.length - 1);
    } finally {
      this.sending = [];
      for (const { stripe } of pieces) stripe.release();
    }
    this.options.onChange();
  }

  private lose(): void {
    if (this.isLost) return;
    for (const { stripe } of this.queue.splice(0)) stripe.release();
    this.change('lost');
  }

  private change(state: ShardLane['state']): void {
    this.state = state;
    this.options.onChange();
  }
}

/** Rejects at once when the signal does, even if the store does not heed it; a writer that comes later is aborted. */
function unlessAborted(signal: AbortSignal, creating: Promise<ShardWriter>): Promise<ShardWriter> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
    creating.then(writer => (signal.aborted ? void writer.abort() : resolve(writer)), reject);
  });
}

function doesNotBegin(server: Member): GranaryError {
  return new GranaryError('data-server-unavailable', `Data server ${server.key} does not begin a shard in time.`);
}
