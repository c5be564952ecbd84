import type { Broker } from '../../tools/broker.js';

/**
 * At once, and past the broker's check that lets nobody but its owner delete an exclusive queue. A queue may go by
 * itself meanwhile: whose consumer loses another one may close its connection, and its exclusive queues end with it.
 */
export async function deleteAllQueues(broker: Broker): Promise<void> {
  await broker.ctl(
    'eval',
    '[(catch rabbit_amqqueue:delete(Q, false, false, <<"test">>)) || Q <- rabbit_amqqueue:list()].',
  );
}
