import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import {
  brokerUrl,
  byteSize,
  ConfigError,
  DAY_MS,
  defaulted,
  derived,
  directory,
  durationMs,
  listenAddress,
  logVariables,
  membershipVariables,
  onOff,
  optional,
  required,
  serverAddress,
  serverId,
  serverVariables,
  zoneName,
  type ListenAddress,
} from '#config';
import { consistentTls, oneSecret, secretVariables, tlsVariables } from '#secret';

const missedBeatRule = {
  path: ['serverExpiryMs'],
  message: 'expected at least twice HEARTBEAT_INTERVAL_MS',
  // Also told beside problems of other variables.
  when: (payload: z.core.ParsePayload) =>
    !payload.issues.some(({ path }) => /^(serverExpiryMs|heartbeatIntervalMs)$/.test(String(path?.[0]))),
};

/** One beat that is lost or late must not make a server count as gone. */
export const livesThroughMissedBeat = [
  (config: { serverExpiryMs: number; heartbeatIntervalMs: number }) =>
    config.serverExpiryMs >= 2 * config.heartbeatIntervalMs,
  missedBeatRule,
] as const;

export const dataServerSchema = z
  .object({
    listenAddress: defaulted(listenAddress, '127.0.0.1:12345', 'Where HTTP is served.'),
    advertiseAddress: derived(
      serverAddress,
      'LISTEN_ADDRESS',
      "Where the other servers reach this one. When LISTEN_ADDRESS names no host, it is the host name's address.",
    ),
    storageRoot: required(directory, 'Where the objects are kept. One directory per data server.'),
    rabbitmqServer: optional(brokerUrl, 'The broker of the cluster. Without it, a data server is a store by itself.'),
    ...secretVariables,
    ...tlsVariables,
    serverId: optional(serverId, 'The id of this data server. Without it, one is made up and kept in STORAGE_ROOT.'),
    zone: optional(
      zoneName,
      'What this server shares with others that may fail together with it, e.g. a rack. Shards are spread over zones.',
    ),
    ...serverVariables,
    storageFsync: defaulted(
      onOff,
      'on',
      'With `off`, a power cut may lose objects that were acknowledged. Faster, for scratch data.',
    ),
    minFreeBytes: derived(
      byteSize(0),
      '1GiB, or 2 % of the disk if that is less',
      'With less free space than this, no new objects are taken.',
    ),
    smallObjectBytes: defaulted(
      byteSize(0, 2 ** 24),
      '64KiB',
      'Objects up to this size are packed together; larger ones are files of their own.',
    ),
    packSizeBytes: derived(
      byteSize(2 ** 20, 2 ** 32),
      '128MiB, or a 32nd of the disk if that is less',
      'A pack of small objects is closed at this size.',
    ),
    tombstoneTtlMs: defaulted(
      durationMs(1000),
      String(7 * DAY_MS),
      'How long a deletion is remembered (default 7 days), so that an older copy cannot come back.',
    ),
    heartbeatIntervalMs: defaulted(durationMs(50), '5000', 'Time between heartbeats.'),
    ...membershipVariables,
    reconcileBytesPerSecond: defaulted(
      byteSize(1024),
      '64MiB',
      'How fast copies that belong elsewhere are moved, per second.',
    ),
    ...logVariables,
  })
  .refine(...livesThroughMissedBeat)
  .refine(...oneSecret)
  .refine(...consistentTls);

export type DataServerConfig = Readonly<z.output<typeof dataServerSchema>>;

/** `host:port` for messages and locate answers. Throws ConfigError when no address of this machine can be told. */
export async function resolveAdvertiseAddress(config: {
  advertiseAddress?: string | undefined;
  listenAddress: ListenAddress;
  rabbitmqServer?: string | undefined;
}): Promise<string> {
  if (config.advertiseAddress !== undefined) return config.advertiseAddress;
  const { host, port } = config.listenAddress;
  if (host !== undefined && !isWildcard(host)) return formatAddress(host, port);
  if (config.rabbitmqServer === undefined) return formatAddress('127.0.0.1', port);
  const addresses = await lookup(hostname(), { all: true, verbatim: true }).catch(() => []);
  const reachable = addresses.find(({ address }) => !/^(127\.|::1$|fe80:)/.test(address));
  if (reachable !== undefined) return formatAddress(reachable.address, port);
  throw new ConfigError(
    `ADVERTISE_ADDRESS is not set: LISTEN_ADDRESS names no host, and the host name ${hostname()} has no address ` +
      'that other machines could reach; set it to host:port as the other servers reach this one',
  );
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
