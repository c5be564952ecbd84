import type { BusMetrics, DropCause } from '../bus-observers.js';

export class CountingMetrics implements BusMetrics {
  publishes = 0;
  handlerFailures = 0;
  reconnects = 0;
  readonly drops: Record<DropCause, number> = { 'too-large': 0, 'late-answer': 0 };

  published(): void {
    this.publishes++;
  }

  dropped(cause: DropCause): void {
    this.drops[cause]++;
  }

  handlerFailed(): void {
    this.handlerFailures++;
  }

  reconnected(): void {
    this.reconnects++;
  }
}
