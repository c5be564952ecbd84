import type { Measurement } from './summary.js';

/** Targets that were measured in turns, and no others were there. */
export interface Part {
  name: string;
  measurements: readonly Measurement[];
  /** Per target, of the process that had the most and of all together. */
  peakRss: readonly { target: string; processes: number; largestBytes: number; sumBytes: number }[];
  /** Where there is a broker of the benchmark's own. */
  brokerConnections: BrokerConnections | undefined;
}

export interface BrokerConnections {
  before: number;
  peak: number;
}
