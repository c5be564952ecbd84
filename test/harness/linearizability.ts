/**
 * Whether what clients saw of one name could have happened one operation after another, each at some
 * moment between its request and its answer (Herlihy and Wing 1990; the search is Wing and Gong's, with
 * the memory that Lowe adds).
 */

/** What a name holds: a body that no other write wrote, or nothing. */
export type RegisterValue = string | undefined;

export interface Operation {
  kind: 'write' | 'delete' | 'read';
  /** What was written, or read. A delete has none. */
  value?: RegisterValue;
  /** Monotonic ms. */
  calledMs: number;
  /** Undefined: no answer, or one that leaves it open. It may have happened at any time since, or never. */
  returnedMs: number | undefined;
}

/** The operations that stand in each other's way; undefined when an order explains all of them. */
export function findContradiction(history: readonly Operation[]): readonly Operation[] | undefined {
  const seen = new Set(history.filter(isAnsweredRead).map(({ value }) => value));
  const operations = history
    .filter(operation => operation.returnedMs !== undefined || isTelling(operation, seen))
    .toSorted((a, b) => a.calledMs - b.calledMs);
  return isExplained(operations) ? undefined : shortestPrefix(operations);
}

function isAnsweredRead({ kind, returnedMs }: Operation): boolean {
  return kind === 'read' && returnedMs !== undefined;
}

/** Of operations without an answer: a read says nothing, and a write that nobody saw may as well never have happened. */
function isTelling({ kind, value }: Operation, seen: ReadonlySet<RegisterValue>): boolean {
  return kind === 'delete' || (kind === 'write' && seen.has(value));
}

function isExplained(operations: readonly Operation[]): boolean {
  const seen = new Set<string>();
  const search = (done: ReadonlySet<number>, value: RegisterValue): boolean => {
    const open = [...operations.keys()].filter(index => !done.has(index));
    if (open.every(index => operations[index]?.returnedMs === undefined)) return true;
    const state = `${open.join()}:${value ?? ''}`;
    if (seen.has(state)) return false;
    seen.add(state);
    // Whatever comes next was called before any of the others had been answered.
    const firstReturnMs = Math.min(...open.map(index => operations[index]?.returnedMs ?? Infinity));
    return open.some(index => {
      const operation = operations[index];
      if (operation === undefined || operation.calledMs > firstReturnMs) return false;
      if (operation.kind === 'read' && operation.value !== value) return false;
      const after = operation.kind === 'read' ? value : operation.kind === 'delete' ? undefined : operation.value;
      return search(new Set([...done, index]), after);
    });
  };
  return search(new Set(), undefined);
}

/** Cut where the trouble begins, so that a person can read it. */
function shortestPrefix(operations: readonly Operation[]): readonly Operation[] {
  const ends = operations.map(operation => operation.returnedMs ?? Infinity).toSorted((a, b) => a - b);
  for (const endMs of ends) {
    const prefix = operations
      .filter(operation => operation.calledMs <= endMs)
      .map(operation =>
        (operation.returnedMs ?? Infinity) <= endMs ? operation : { ...operation, returnedMs: undefined },
      )
      .filter(operation => operation.kind !== 'read' || operation.returnedMs !== undefined);
    if (!isExplained(prefix)) return prefix;
  }
  return operations;
}
