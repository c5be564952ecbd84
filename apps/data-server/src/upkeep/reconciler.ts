import { setMaxListeners } from 'node:events';
import type { Note, Verdict } from '#contracts';
import type { ShardCatalog, ShardStore } from '#storage';
import type { Logger } from '#telemetry';
import { BackgroundLoop } from './background-loop.js';
import type { BringHomeContext } from './bring-home.js';
import { ByteBudget } from './byte-budget.js';
import { compareNotes } from './compare-notes.js';
import type { Homes } from './homes.js';
import { InHand } from './in-hand.js';
import { JoinerTeller } from './joiner-teller.js';
import { MisplacedMover } from './misplaced-mover.js';
import type { Neighbours } from './neighbours.js';
import type { UpkeepMetrics } from './upkeep-metrics.js';

export interface ReconcilerOptions {
  store: ShardStore & ShardCatalog;
  neighbours: Neighbours;
  /** As the set of servers is now. */
  homes: () => Homes;
  /** Whether this server is. */
  isJoining: () => boolean;
  bytesPerSecond: number;
  metrics: UpkeepMetrics;
  logger: Logger;
}

const TELL_RETRY_MS = { retryMs: 250, maxRetryMs: 2000 };
const MOVE_RETRY_MS = { retryMs: 2000, maxRetryMs: 10_000 };

/** Both sides of reconcile (docs/protocol/reconcile.md): what this server does about its own copies, and what it answers. */
export class Reconciler {
  readonly #stopping = new AbortController();
  readonly #context: BringHomeContext;
  readonly #teller: JoinerTeller;
  readonly #mover: MisplacedMover;
  /** Telling must not wait for a large copy to be moved: a joining server waits only so long. */
  readonly #telling: BackgroundLoop;
  readonly #moving: BackgroundLoop;
  #unsubscribe: (() => void) | undefined;

  constructor(private readonly options: ReconcilerOptions) {
    const { store, neighbours, homes, bytesPerSecond, metrics, logger } = options;
    const { signal } = this.#stopping;
    setMaxListeners(0, signal);
    const budget = new ByteBudget(bytesPerSecond);
    this.#context = { store, neighbours, inHand: new InHand(), budget, metrics, logger, signal };
    this.#teller = new JoinerTeller(this.#context, homes);
    this.#mover = new MisplacedMover(this.#context, homes);
    this.#telling = new BackgroundLoop({ pass: () => this.#teller.pass(), ...TELL_RETRY_MS, logger });
    this.#moving = new BackgroundLoop({ pass: () => this.#mover.pass(), ...MOVE_RETRY_MS, logger });
  }

  start(): void {
    this.#unsubscribe = this.options.store.onChange(({ hash }) => {
      if (this.#teller.nameChanged(hash)) this.#telling.wake();
      if (this.#mover.nameChanged(hash)) this.#moving.wake();
    });
    this.#telling.start();
    this.#moving.start();
  }

  /** Copies on their way are given up; they stay here. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort();
    await Promise.all([this.#telling.stop(), this.#moving.stop()]);
  }

  /** To be called when a server came or went, or changed its state or weight, this one included. */
  serversChanged(): void {
    this.#teller.serversChanged();
    this.#mover.serversChanged();
    this.#telling.hurry();
    this.#moving.hurry();
  }

  /** The answer to another server's notes. */
  compare(notes: readonly Note[]): Promise<Verdict[]> {
    const { inHand, store } = this.#context;
    return compareNotes({ store, inHand, isJoining: this.options.isJoining }, notes);
  }
}
