import type { Logger } from '#telemetry';

/** What was opened, to be closed in the reverse order. */
export class Shutdown {
  private readonly steps: { name: string; close: () => Promise<void> | void }[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly logger: Logger) {}

  /** To be called when the thing has been opened. */
  add(name: string, close: () => Promise<void> | void): void {
    this.steps.push({ name, close });
  }

  get hasBegun(): boolean {
    return this.running !== undefined;
  }

  /** Closes everything; a step that fails is logged, and the others still run. Idempotent. Never rejects. */
  run(): Promise<void> {
    return (this.running ??= this.closeAll());
  }

  private async closeAll(): Promise<void> {
    for (const { name, close } of this.steps.toReversed()) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
        await close();
      } catch (error) {
        this.logger.error({ err: error }, `shutting down: ${name} failed`);
      }
    }
  }
}
