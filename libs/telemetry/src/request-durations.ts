import { Histogram, type Registry } from 'prom-client';

const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120];
/** So many observations of one kind are handed over together. */
const MAX_WAITING = 256;

type Label = 'route' | 'method' | 'status';

interface Series {
  observer: Histogram.Internal<Label>;
  waiting: number[];
}

/**
 * How long requests took, by route, method and status. Observations wait until there are many, or until
 * they are asked for: one by one, each with its labels, they are a twentieth of what a small GET costs.
 */
export class RequestDurations {
  private readonly histogram: Histogram<Label>;
  private readonly series = new Map<string, Map<string, Map<number, Series>>>();

  constructor(registry: Registry) {
    this.histogram = new Histogram({
      name: 'granary_http_request_duration_seconds',
      help: 'Time from the head of a request to the end of its response, by route, method and status.',
      labelNames: ['route', 'method', 'status'],
      buckets: SECONDS,
      registers: [registry],
      collect: () => this.handOverAll(),
    });
  }

  observe(route: string, method: string, status: number, seconds: number): void {
    if (!Number.isFinite(seconds)) throw new TypeError(`No duration: ${seconds}`);
    const series = this.series.get(route)?.get(method)?.get(status) ?? this.begin(route, method, status);
    series.waiting.push(seconds);
    if (series.waiting.length === MAX_WAITING) handOver(series);
  }

  private begin(route: string, method: string, status: number): Series {
    const methods = entry(this.series, route, () => new Map<string, Map<number, Series>>());
    const statuses = entry(methods, method, () => new Map<number, Series>());
    return entry(statuses, status, () => ({
      observer: this.histogram.labels(route, method, String(status)),
      waiting: [],
    }));
  }

  private handOverAll(): void {
    for (const methods of this.series.values()) {
      for (const statuses of methods.values()) statuses.forEach(handOver);
    }
  }
}

function handOver({ observer, waiting }: Series): void {
  for (const seconds of waiting.splice(0)) observer.observe(seconds);
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}
