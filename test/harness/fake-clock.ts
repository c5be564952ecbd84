import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDirectory } from './temp-directory.js';
import { requireFaketime } from './tools.js';

/** A wall clock for processes of ours, right until it is set, that can jump while they run. Their monotonic clock is the real one. */
export class FakeClock {
  private constructor(
    private readonly file: string,
    /** For whoever is to go by this clock. */
    readonly env: Readonly<Record<string, string>>,
  ) {}

  static async create(): Promise<FakeClock> {
    const file = join(tempDirectory('clock'), 'offset');
    const clock = new FakeClock(file, {
      LD_PRELOAD: await requireFaketime(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
    clock.set(0);
    return clock;
  }

  /** How far it is ahead of the machine's. */
  set(offsetSeconds: number): void {
    // It is read at any time, and must never be found half written.
    writeFileSync(`${this.file}.new`, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}`);
    renameSync(`${this.file}.new`, this.file);
  }
}
