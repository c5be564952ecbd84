import type { Logger } from '#telemetry';

export interface BackgroundLoopOptions {
  /** Does what there is to do. Resolves to whether nothing is left to be tried again. */
  pass: () => Promise<boolean>;
  /** The wait after a pass that left something; doubled each time, up to `maxRetryMs`. */
  retryMs: number;
  maxRetryMs: number;
  logger: Logger;
}

/** Runs passes one after another while there is something to do, and costs nothing while there is not. */
export class BackgroundLoop {
  #running: Promise<void> | undefined;
  #stopped = false;
  #isWoken = false;
  #isHurried = false;
  #isWaitingToRetry = false;
  #resume: (() => void) | undefined;

  constructor(private readonly options: BackgroundLoopOptions) {}

  start(): void {
    this.#running ??= this.#run();
  }

  /** There is something to do; what failed before may wait. */
  wake(): void {
    this.#isWoken = true;
    if (!this.#isWaitingToRetry) this.#resume?.();
  }

  /** The circumstances changed: what failed before is tried at once. */
  hurry(): void {
    this.#isHurried = true;
    this.#resume?.();
  }

  /** Resolves when the pass in progress has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#resume?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    let retryMs = this.options.retryMs;
    while (!this.#stopped) {
      this.#isWoken = false;
      this.#isHurried = false;
      const settled = await this.#pass();
      if (settled || this.#isHurried) retryMs = this.options.retryMs;
      if (this.#stopped || this.#isHurried || (settled && this.#isWoken)) continue;
      await this.#wait(settled ? undefined : retryMs);
      if (!settled) retryMs = Math.min(retryMs * 2, this.options.maxRetryMs);
    }
  }

  async #pass(): Promise<boolean> {
    try {
      return await this.options.pass();
    } catch (error) {
      if (!this.#stopped) this.options.logger.error({ err: error }, 'upkeep failed');
      return false;
    }
  }

  async #wait(retryMs: number | undefined): Promise<void> {
    this.#isWaitingToRetry = retryMs !== undefined;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>(resolve => {
      this.#resume = resolve;
      if (retryMs !== undefined) timer = setTimeout(resolve, retryMs);
    });
    clearTimeout(timer);
    this.#resume = undefined;
    this.#isWaitingToRetry = false;
  }
}
