import { randomUUID } from 'node:crypto';
import cluster from 'node:cluster';
import { AggregatorRegistry } from 'prom-client';
import type { Metrics } from './metrics.js';

const REQUEST = 'granary:metrics-request';
const RESPONSE = 'granary:metrics-response';
const DEADLINE_MS = 5000;

interface MetricsMessage {
  type: typeof REQUEST | typeof RESPONSE;
  id: string;
  text?: string;
}

/** For the primary of a node:cluster: adds up the metrics of all workers for whichever of them is asked. */
export function serveClusterMetrics(): void {
  const aggregator = new AggregatorRegistry();
  cluster.on('message', (worker, message: unknown) => {
    if (!isMetricsMessage(message) || message.type !== REQUEST) return;
    const answer = (text?: string) => {
      if (worker.isConnected()) worker.send({ type: RESPONSE, id: message.id, text });
    };
    aggregator.clusterMetrics().then(answer, () => answer());
  });
}

/** For a worker: the metrics of all workers together; its own if the primary does not answer. */
export function clusterMetrics(metrics: Metrics): () => Promise<string> {
  AggregatorRegistry.setRegistries(metrics.registry);
  // oxlint-disable-next-line no-new -- it listens for the primary's questions
  new AggregatorRegistry();
  return async () => (await askPrimary()) ?? metrics.text();
}

function askPrimary(): Promise<string | undefined> {
  const id = randomUUID();
  return new Promise(resolve => {
    const finish = (text?: string) => {
      clearTimeout(deadline);
      process.off('message', listen);
      resolve(text);
    };
    const listen = (message: unknown) => {
      if (isMetricsMessage(message) && message.type === RESPONSE && message.id === id) finish(message.text);
    };
    const deadline = setTimeout(finish, DEADLINE_MS);
    process.on('message', listen);
    process.send?.({ type: REQUEST, id } satisfies MetricsMessage);
  });
}

function isMetricsMessage(message: unknown): message is MetricsMessage {
  return typeof message === 'object' && message !== null && 'type' in message && 'id' in message;
}
