/**
 * Servers that kept somebody waiting. For a while they are asked last, so that one that is slow costs a
 * few operations and not a share of all. Nothing is decided by it: they are asked when no other is left.
 */
export class SlowServers {
  private readonly untilMs = new Map<string, number>();

  constructor(
    private readonly avoidMs: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  note(server: string): void {
    this.untilMs.set(server, this.nowMs() + this.avoidMs);
  }

  has(server: string): boolean {
    if (this.untilMs.size === 0) return false;
    const untilMs = this.untilMs.get(server);
    if (untilMs === undefined) return false;
    if (this.nowMs() < untilMs) return true;
    this.untilMs.delete(server);
    return false;
  }
}
