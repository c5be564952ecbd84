import { it as jestIt } from '@jest/globals';
import { inspect } from 'node:util';
import { stopAllLoads } from './load.js';
import { serverLogs } from './server-process.js';

/** Jest's `it`, which prints the logs of the servers when the test fails, and leaves no load running. */
export function it(name: string, test: () => Promise<void>, timeoutMs?: number): void {
  jestIt(
    name,
    async () => {
      try {
        await test();
      } catch (error) {
        // Jest tells the error after all logs.
        console.log(`${name}: ${inspect(error)}\n${serverLogs()}`);
        throw error;
      } finally {
        await stopAllLoads();
      }
    },
    timeoutMs,
  );
}
