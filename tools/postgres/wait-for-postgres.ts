import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** Resolves once the server answers a query. `failed` tells why there is no more hope. */
export async function waitForPostgres(url: string, timeoutMs: number, failed: () => string | undefined): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const cause = await answers(url);
    if (cause === undefined) return;
    const failure = failed();
    if (failure !== undefined) throw new Error(`PostgreSQL did not start: ${failure}`, { cause });
    if (performance.now() > deadline) throw new Error(`PostgreSQL did not answer within ${timeoutMs} ms.`, { cause });
    await sleep(100);
  }
}

async function answers(url: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000, query_timeout: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await client.end().catch(() => undefined);
  }
}
