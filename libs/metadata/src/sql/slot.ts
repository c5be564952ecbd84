/** Stands in a query where an argument will be; Kysely takes it for a value. */
export class Slot {
  constructor(private readonly name: string) {}

  of(args: unknown, _nowMs: number): unknown {
    return (args as Record<string, unknown>)[this.name];
  }
}

/** Where the time will be. */
class NowSlot extends Slot {
  override of(_args: unknown, nowMs: number): unknown {
    return nowMs;
  }
}

export const NOW: Slot = new NowSlot('now');

export function slots<Args>(): Args {
  return new Proxy({}, { get: (_target, name) => new Slot(String(name)) }) as Args;
}
