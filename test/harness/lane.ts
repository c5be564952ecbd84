/**
 * Files of black-box tests run side by side (scripts/test.mjs), each in a lane that has loopback addresses and a
 * broker to itself: the exchanges' names are the protocol's, and some ports are the tests'.
 */
export const LANE = Number(process.env['JEST_WORKER_ID'] ?? '1') - 1;

/** An address of this lane: `loopback('1.7')` is `127.<lane>.1.7`. */
export function loopback(host: string): string {
  return `127.${LANE}.${host}`;
}
