/** Runs the action at most once per interval; calls between are forgotten. */
export function atMostEvery<A extends unknown[]>(
  intervalMs: number,
  action: (...args: A) => void,
): (...args: A) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (...args) => {
    if (performance.now() - lastMs < intervalMs) return;
    lastMs = performance.now();
    action(...args);
  };
}
