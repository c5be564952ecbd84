import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { RequestDurations } from './request-durations.js';

/** Each sample wakes the process: at the library's 10 ms an idle server takes a hundredth of a core. */
const EVENT_LOOP_SAMPLE_MS = 100;

/** The metrics of one server, as `GET /metrics` shows them. Names begin with `granary_` and end in their unit. */
export class Metrics {
  readonly registry = new Registry();
  private readonly requests = new RequestDurations(this.registry);

  /** Memory, CPU, event loop, garbage collection of the process: for one server of a process only. */
  collectProcessMetrics(): void {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  }

  /** `route` and `method` come from small fixed sets, never from the client. */
  observeRequest(route: string, method: string, status: number, seconds: number): void {
    this.requests.observe(route, method, status, seconds);
  }

  counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** A counter that is read when it is scraped, from what only grows: nothing is paid for it in between. */
  readCounter(name: string, help: string, read: () => number): void {
    // oxlint-disable-next-line no-new -- it registers itself
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** A gauge that is read when it is scraped. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void {
    // oxlint-disable-next-line no-new -- it registers itself
    new Gauge({
      name,
      help,
      registers: [this.registry],
      async collect() {
        this.set(await read());
      },
    });
  }

  /** In the Prometheus text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}

export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;
