import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  brokerUrl,
  choice,
  count,
  defaulted,
  durationMs,
  listenAddress,
  logVariables,
  membershipVariables,
  metadataUrl,
  optional,
  required,
  serverVariables,
} from '#config';
import { fullClusterVariables } from './full-cluster-variables.js';
import { CRASH_POINTS } from './versions/crash-points.js';
import { consistentTls, oneSecret, secretVariables, tlsVariables } from '#secret';

export const apiServerSchema = z
  .object({
    listenAddress: defaulted(listenAddress, '127.0.0.1:12345', 'Where HTTP is served.'),
    rabbitmqServer: required(brokerUrl, 'The broker of the cluster.'),
    ...secretVariables,
    ...tlsVariables,
    workers: defaulted(
      count(1, 256),
      String(availableParallelism()),
      'Processes that share the address.',
      'one per core',
    ),
    ...serverVariables,
    locateTimeoutMs: defaulted(
      durationMs(10),
      '1000',
      'How long data servers may take to say whether they have an object.',
    ),
    dataServerTimeoutMs: defaulted(
      durationMs(10),
      '2000',
      'How long a data server may take to begin its answer, before another is tried.',
    ),
    metadataUrl: optional(
      metadataUrl,
      'The metadata database. With it, this is a full cluster; without it, a plain one.',
    ),
    ...fullClusterVariables,
    ...membershipVariables,
    granaryCrashPoint: optional(choice(...CRASH_POINTS), 'For tests only: where in a write the process kills itself.'),
    ...logVariables,
  })
  .refine(...oneSecret)
  .refine(...consistentTls);

export type ApiServerConfig = Readonly<z.output<typeof apiServerSchema>>;
