import type { Broker } from '../../tools/broker.js';

/** At once, and past the broker's check that lets nobody but its owner delete an exclusive queue. */
export async function deleteAllQueues(broker: Broker): Promise<void> {
  await broker.ctl('eval', '[rabbit_amqqueue:delete(Q, false, false, <<"test">>) || Q <- rabbit_amqqueue:list()].');
}
