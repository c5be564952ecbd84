import { GranaryError, type ErrorCode, type ObjectName, type Verdict } from '#contracts';
import type { Member } from '#cluster';
import type { CatalogEntry, ShardCatalog, ShardStore } from '#storage';
import type { Logger } from '#telemetry';
import type { ByteBudget } from './byte-budget.js';
import type { InHand } from './in-hand.js';
import type { Neighbours } from './neighbours.js';
import { sendCopy } from './send-copy.js';
import type { UpkeepMetrics } from './upkeep-metrics.js';

export interface BringHomeContext {
  store: ShardStore & ShardCatalog;
  neighbours: Neighbours;
  inHand: InHand;
  budget: ByteBudget;
  metrics: UpkeepMetrics;
  logger: Logger;
  signal: AbortSignal;
}

export interface BringHomeResult {
  /** Not settled now; to be tried again. */
  unsettled: CatalogEntry[];
  /** The home itself cannot be reached or takes nothing: no use to go on with the next batch. */
  homeFailed: boolean;
}

const SENDS_AT_ONCE = 4;
const TROUBLE_AT_HOME: readonly ErrorCode[] = [
  'data-server-unavailable',
  'overloaded',
  'shutting-down',
  'storage-full',
  'storage-failed',
];

/**
 * Moves what belongs to `home` there, the newest copy winning: compares notes, sends what is wanted,
 * and drops each copy here once the home has that one or a newer one durably. A copy that changes
 * meanwhile stays. Rejects only for bugs.
 */
export async function bringHome(
  context: BringHomeContext,
  home: Member,
  entries: readonly CatalogEntry[],
): Promise<BringHomeResult> {
  const taken = context.inHand.take(entries);
  const result = { unsettled: entries.filter(entry => !taken.includes(entry)), homeFailed: false };
  try {
    const wanted = await compare(context, home, taken, result);
    await Promise.all(Array.from({ length: SENDS_AT_ONCE }, () => sendEach(context, home, wanted, result)));
  } catch (error) {
    if (!(error instanceof GranaryError)) throw error;
    context.logger.debug({ err: error, server: home.key }, 'cannot compare notes');
    return { unsettled: [...entries], homeFailed: true };
  } finally {
    for (const { hash } of taken) context.inHand.release(hash);
  }
  return result;
}

/** Drops what the home has as good or better. Resolves to what it wants. */
async function compare(
  { store, neighbours, metrics }: BringHomeContext,
  home: Member,
  entries: readonly CatalogEntry[],
  result: BringHomeResult,
): Promise<CatalogEntry[]> {
  const verdicts = await neighbours.compare(home, entries);
  const wanted: CatalogEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    const verdict = verdicts[index] ?? { is: 'busy' };
    if (verdict.is === 'busy') {
      result.unsettled.push(entry);
    } else if (await isWanted(store, entry, verdict)) {
      wanted.push(entry);
    } else {
      await store.forget(entry.hash, entry.stamp);
      metrics.dropped.inc();
    }
  }
  return wanted;
}

async function isWanted(store: ShardStore & ShardCatalog, entry: CatalogEntry, verdict: Verdict): Promise<boolean> {
  if (verdict.is !== 'same' || entry.removed) return verdict.is === 'wanted';
  const name = await store.nameOf(entry.hash);
  const etag = name === undefined ? undefined : (await store.stat(name))?.etag;
  return etag !== undefined && verdict.etag !== undefined && etag > verdict.etag;
}

/** One of several that share the queue. */
async function sendEach(
  context: BringHomeContext,
  home: Member,
  queue: CatalogEntry[],
  result: BringHomeResult,
): Promise<void> {
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    if (result.homeFailed || context.signal.aborted) result.unsettled.push(entry);
    else await send(context, home, entry, result);
  }
}

async function send(
  context: BringHomeContext,
  home: Member,
  entry: CatalogEntry,
  result: BringHomeResult,
): Promise<void> {
  const { store, logger, metrics } = context;
  try {
    const name = await store.nameOf(entry.hash);
    if (name !== undefined && (await sendIfUnchanged(context, home, entry, name))) metrics.moved.inc();
  } catch (error) {
    if (!(error instanceof GranaryError) && !context.signal.aborted) throw error;
    const code = error instanceof GranaryError ? error.code : undefined;
    if (code === 'object-damaged') {
      metrics.damaged.inc();
      logger.error({ err: error, hash: entry.hash }, 'a misplaced copy is damaged; it stays where it is');
      return;
    }
    logger.debug({ err: error, hash: entry.hash, server: home.key }, 'a copy could not be moved');
    result.unsettled.push(entry);
    result.homeFailed ||= code !== undefined && TROUBLE_AT_HOME.includes(code);
  }
}

async function sendIfUnchanged(
  { store, neighbours, budget, signal }: BringHomeContext,
  home: Member,
  entry: CatalogEntry,
  name: ObjectName,
): Promise<boolean> {
  const reader = await store.open(name, { signal });
  if (reader === undefined) return false;
  try {
    if (reader.info.stamp !== entry.stamp) return false;
    await sendCopy(reader, name, neighbours.storeOf(home), budget, signal);
  } finally {
    await reader.close();
  }
  await store.forget(entry.hash, entry.stamp);
  return true;
}
