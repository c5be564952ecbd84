import type { Logger } from '#telemetry';

const WINDOW_MS = 10_000;
const LINES_PER_WINDOW = 50;

/**
 * A line for each refusal, up to 50 in ten seconds; of those beyond only the number is told, in the first
 * line after them. So nobody fills the disk by being refused.
 */
export class AuditLog {
  #windowEndMs = 0;
  #lines = 0;
  #untold = 0;

  constructor(
    private readonly logger: Pick<Logger, 'info' | 'warn'>,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  write(level: 'info' | 'warn', details: object): void {
    const nowMs = this.nowMs();
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + WINDOW_MS;
      this.#lines = 0;
    }
    if (this.#lines >= LINES_PER_WINDOW) {
      this.#untold += 1;
      return;
    }
    this.#lines += 1;
    const untold = this.#untold === 0 ? {} : { untoldBefore: this.#untold };
    this.#untold = 0;
    this.logger[level]({ audit: true, ...details, ...untold }, 'a request was refused');
  }
}
