/** A `locate-hit` may be answered by the object's home; for `locate-all` everybody is asked over the broker. */
export type Operation = 'put' | 'overwrite' | 'get' | 'get-miss' | 'locate-hit' | 'locate-all' | 'locate-miss';

/** One kind of request at one size and concurrency. */
export interface Scenario {
  id: string;
  title: string;
  operation: Operation;
  /** Of the objects written or read; 0 where there are none. */
  sizeBytes: number;
  concurrency: number;
  /** A round ends at this many operations, or when its time is up. */
  maxOperations: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
export const SIZES = [
  { label: '1 KiB', bytes: KIB },
  { label: '64 KiB', bytes: 64 * KIB },
  { label: '1 MiB', bytes: MIB },
  { label: '64 MiB', bytes: 64 * MIB },
] as const;

/** No round writes more than this, unless a single operation per connection does. */
const MAX_BYTES_WRITTEN_PER_ROUND = 2 * 1024 * MIB;
const MAX_OPERATIONS_PER_ROUND = 200_000;

/** Everything that is measured, writes before the reads of the same size. */
export function allScenarios(): Scenario[] {
  const moved = SIZES.flatMap(({ label, bytes }) =>
    (['put', 'get'] as const).flatMap(operation =>
      [1, 32].map(concurrency => scenario(operation, concurrency, label, bytes)),
    ),
  );
  return [
    ...moved,
    scenario('overwrite', 32, '1 KiB', KIB),
    ...(['get-miss', 'locate-hit', 'locate-all', 'locate-miss'] as const).flatMap(operation =>
      [1, 64].map(concurrency => scenario(operation, concurrency, '', 0)),
    ),
  ];
}

function scenario(operation: Operation, concurrency: number, label: string, sizeBytes: number): Scenario {
  const writes = operation === 'put' || operation === 'overwrite';
  return {
    id: [operation, label.replace(' ', ''), `c${concurrency}`].filter(part => part !== '').join('-'),
    title: [operation.replace('-', ' ').toUpperCase(), label, `c${concurrency}`].filter(part => part !== '').join(' '),
    operation,
    sizeBytes,
    concurrency,
    maxOperations: writes
      ? Math.max(concurrency, Math.min(MAX_OPERATIONS_PER_ROUND, Math.floor(MAX_BYTES_WRITTEN_PER_ROUND / sizeBytes)))
      : MAX_OPERATIONS_PER_ROUND,
  };
}
