import { readFileSync } from 'node:fs';
import { optional, type Kind } from '#config';
import { ClusterSecret, MIN_SECRET_BYTES } from './cluster-secret.js';

const EXPECTED = `at least ${MIN_SECRET_BYTES} random bytes, in hex or base64 or as they are (openssl rand -hex 32 makes such)`;

const secretText: Kind<ClusterSecret> = {
  expected: EXPECTED,
  show: () => '***',
  parse: text => ClusterSecret.parse(text),
};

const secretFile: Kind<ClusterSecret> = {
  expected: `a file that can be read and holds ${EXPECTED}`,
  parse(path) {
    try {
      return ClusterSecret.parse(readFileSync(path, 'utf8'));
    } catch {
      return undefined;
    }
  },
};

/** Two ways to tell one thing; see `oneSecret` and `secretOf`. */
export const secretVariables = {
  clusterSecret: optional(
    secretText,
    'What all servers of the cluster know and nobody else, so that they believe only each other (docs/security.md).',
  ),
  clusterSecretFile: optional(secretFile, 'A file that holds it, instead of CLUSTER_SECRET.'),
};

export interface SecretConfig {
  clusterSecret?: ClusterSecret | undefined;
  clusterSecretFile?: ClusterSecret | undefined;
}

const oneSecretRule = {
  path: ['clusterSecretFile'],
  message: 'expected only one of CLUSTER_SECRET and CLUSTER_SECRET_FILE',
};

/** For the schema of an app: two secrets would leave open which is meant. */
export const oneSecret = [
  ({ clusterSecret, clusterSecretFile }: SecretConfig) =>
    clusterSecret === undefined || clusterSecretFile === undefined,
  oneSecretRule,
] as const;

/** Undefined: the cluster has none. */
export function secretOf({ clusterSecret, clusterSecretFile }: SecretConfig): ClusterSecret | undefined {
  return clusterSecret ?? clusterSecretFile;
}

/** To be called once at the start of a program. */
export function warnWithoutSecret(
  config: SecretConfig & { rabbitmqServer?: string | undefined },
  logger: { warn(message: string): void },
): void {
  const isCluster = config.rabbitmqServer !== undefined;
  const hasSecret = secretOf(config) !== undefined;
  if (isCluster && !hasSecret) {
    logger.warn(
      'CLUSTER_SECRET is not set: whoever reaches the broker or a data server is believed, and can read, change and delete objects (docs/security.md)',
    );
  }
  if (hasSecret && !isCluster) {
    logger.warn(
      'CLUSTER_SECRET is set, but not RABBITMQ_SERVER: this store answers nobody but servers that know the secret',
    );
  }
}
