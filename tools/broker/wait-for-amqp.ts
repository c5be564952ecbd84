import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const PROTOCOL_HEADER = Buffer.from('AMQP\0\0\u0009\u0001', 'latin1');

/** Resolves once a broker answers the AMQP protocol header on the port. `failed` tells why there is no more hope. */
export async function waitForAmqp(port: number, timeoutMs: number, failed: () => string | undefined): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await speaksAmqp(port))) {
    const failure = failed();
    if (failure !== undefined) throw new Error(`The broker did not start: ${failure}`);
    if (performance.now() > deadline) throw new Error(`The broker did not answer within ${timeoutMs} ms.`);
    await sleep(100);
  }
}

function speaksAmqp(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(PROTOCOL_HEADER));
    const done = (answered: boolean) => (): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(1000, done(false));
    socket.once('data', done(true));
    socket.once('error', done(false));
    socket.once('close', done(false));
  });
}
