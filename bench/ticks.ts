import { execFileSync } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { settleHeap } from '#http';

/**
 * What a process.nextTick costs behind the collection with which a program starts: plain, and as libs/http/src/garbage.ts
 * has it, in processes of their own, in turns. Ratios are to the cheapest of the round.
 *
 *   npm run build && node dist/bench/ticks.js
 */
const TICKS = 1_000_000;
const ROUNDS = 5;
const COLLECTIONS = {
  none: () => undefined,
  plain: () => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  },
  settleHeap,
};

const [, , asked] = process.argv;
if (asked === undefined) compare();
else await measure(COLLECTIONS[asked as keyof typeof COLLECTIONS]);

function compare(): void {
  const names = Object.keys(COLLECTIONS);
  console.log(`ns per tick, and × the cheapest: ${names.join(', ')}`);
  for (let round = 0; round < ROUNDS; round += 1) {
    const costs = names.map(name => Number(execFileSync(process.execPath, [import.meta.filename, name])));
    const cheapest = Math.min(...costs);
    console.log(costs.map(cost => `${cost.toFixed(0)} (${(cost / cheapest).toFixed(2)} ×)`).join('   '));
  }
}

async function measure(collect: () => void): Promise<void> {
  // Modules have made ticks by the time a program settles.
  await turnOfTicks(1000);
  collect();
  await turnOfTicks(TICKS / 10);
  const before = process.cpuUsage();
  await turnOfTicks(TICKS);
  const { user, system } = process.cpuUsage(before);
  console.log(((user + system) * 1000) / TICKS);
}

/** Each tick makes the next. */
function turnOfTicks(count: number): Promise<void> {
  return new Promise(resolve => {
    const tick = (left: number): void => {
      if (left === 0) resolve();
      else process.nextTick(tick, left - 1);
    };
    tick(count);
  });
}
