import { byteSize, choice, count, durationMs } from './kinds.js';
import { defaulted } from './variable.js';

/** Variables that mean the same in every program. */

export const DAY_MS = 24 * 60 * 60 * 1000;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export const serverVariables = {
  maxObjectSizeBytes: defaulted(byteSize(1), '5TiB', 'The largest object that is accepted.'),
  maxConnections: defaulted(count(1), '20000', 'HTTP connections open at once; more are refused.'),
  stallTimeoutMs: defaulted(
    durationMs(100),
    '30000',
    'A transfer that makes no progress for this long is broken off. Of a download, progress shows in steps of some MiB, as the buffers of the kernels empty.',
  ),
  shutdownDeadlineMs: defaulted(
    durationMs(0, 10 * 60 * 1000),
    '25000',
    'How long requests in progress may take to finish after SIGTERM.',
  ),
};

export const logVariables = {
  logLevel: defaulted(choice(...LOG_LEVELS), 'info', `What is logged: ${LOG_LEVELS.join(', ')}.`),
  logFormat: defaulted(
    choice('auto', 'json', 'pretty'),
    'auto',
    '`auto` is `pretty` on a terminal and `json` elsewhere.',
  ),
};

/** How members of a cluster come and go. */
export const membershipVariables = {
  serverExpiryMs: defaulted(
    durationMs(100),
    '10000',
    'A data server that is silent for this long leaves the cluster view. At least twice HEARTBEAT_INTERVAL_MS.',
  ),
  forgetServerAfterMs: defaulted(
    durationMs(1000),
    String(7 * DAY_MS),
    'A data server that was not seen for this long (default 7 days) no longer counts as a missing member.',
  ),
};
