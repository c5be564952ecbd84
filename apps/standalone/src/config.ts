import { z } from 'zod';
import { defaulted, directories, listenAddress, metadataUrl, type Kind } from '#config';
import type { ClusterSecret } from '#secret';
import { apiServerSchema } from '../../api-server/src/config.js';
import { dataServerSchema, livesThroughMissedBeat, type DataServerConfig } from '../../data-server/src/config.js';

const DATA_SERVERS = 6;

const {
  listenAddress: _listen,
  advertiseAddress: _advertise,
  storageRoot: _root,
  rabbitmqServer: _broker,
  clusterSecret: _secret,
  clusterSecretFile: _secretFile,
  tlsCert: _cert,
  tlsKey: _key,
  tlsCa: _ca,
  tlsVerifyClient: _verify,
  serverId: _id,
  zone: _zone,
  ...dataServerVariables
} = dataServerSchema.shape;
const {
  locateTimeoutMs,
  dataServerTimeoutMs,
  redundancy,
  segmentSizeBytes,
  smallSegmentBytes,
  hotBlobCacheBytes,
  blobGraceSeconds,
  granaryCrashPoint,
} = apiServerSchema.shape;

/** Where the names are. `none`: nowhere, and each object is kept once, under its name, as in a plain cluster. */
const metadataUrlOrNone: Kind<string> = {
  ...metadataUrl,
  expected: `${metadataUrl.expected}, or none`,
  parse: text => (text === 'none' ? text : metadataUrl.parse(text)),
};

export const standaloneSchema = z
  .object({
    listenAddress: defaulted(
      listenAddress,
      '127.0.0.1:12345',
      'Where the API server is reached; the data servers take the ports that follow.',
    ),
    storageRoot: defaulted(
      directories,
      Array.from({ length: DATA_SERVERS }, (_, index) => `./data/${index + 1}`).join(','),
      'One directory for each data server, separated by commas.',
    ),
    metadataUrl: defaulted(
      metadataUrlOrNone,
      'sqlite:./data/metadata.db',
      'The metadata database. `none`: a plain cluster, without versions and with one copy of each object.',
    ),
    redundancy,
    segmentSizeBytes,
    smallSegmentBytes,
    hotBlobCacheBytes,
    blobGraceSeconds,
    locateTimeoutMs,
    dataServerTimeoutMs,
    granaryCrashPoint,
    ...dataServerVariables,
  })
  .refine(...livesThroughMissedBeat)
  .refine(({ listenAddress: { port }, storageRoot }) => port + storageRoot.length <= 65_535, {
    path: ['listenAddress'],
    message: 'expected a port that leaves those of the data servers after it',
  });

export type StandaloneConfig = Readonly<z.output<typeof standaloneSchema>>;

/** The configuration of each data server, in the order of STORAGE_ROOT. They know one secret, which nobody outside this process does. */
export function dataServerConfigs(config: StandaloneConfig, clusterSecret: ClusterSecret): DataServerConfig[] {
  const { host, port } = config.listenAddress;
  return config.storageRoot.map((storageRoot, index) => ({
    ...config,
    storageRoot,
    listenAddress: { host, port: port === 0 ? 0 : port + 1 + index },
    advertiseAddress: undefined,
    rabbitmqServer: undefined,
    clusterSecret,
    tlsVerifyClient: false,
    serverId: undefined,
    zone: undefined,
  }));
}
