import { readFileSync } from 'node:fs';
import { defaulted, onOff, optional, type Kind } from '#config';

const pemFile: Kind<string> = {
  expected: 'a file that can be read and holds PEM',
  parse(path) {
    try {
      return readFileSync(path, 'utf8').includes('-----BEGIN ') ? path : undefined;
    } catch {
      return undefined;
    }
  },
};

/** TLS between servers; see `consistentTls` and ClusterTls. */
export const tlsVariables = {
  tlsCert: optional(
    pemFile,
    "A file with this server's certificate and those between it and its authority. With it HTTPS is served, and no HTTP.",
  ),
  tlsKey: optional(pemFile, 'A file with the private key of TLS_CERT.'),
  tlsCa: optional(
    pemFile,
    "A file with the authorities that are trusted to name this cluster's servers. With it, or TLS_CERT, the other servers are reached over TLS only. Without it those of Node are trusted.",
  ),
  tlsVerifyClient: defaulted(
    onOff,
    'off',
    'With `on`, whoever connects to this server must show a certificate of TLS_CA; on an API server its clients, too.',
  ),
};

export interface TlsConfig {
  tlsCert?: string | undefined;
  tlsKey?: string | undefined;
  tlsCa?: string | undefined;
  /** Default: false. */
  tlsVerifyClient?: boolean;
}

const consistentTlsRule = {
  path: ['tlsCert'],
  message: 'expected TLS_CERT and TLS_KEY together, and with TLS_VERIFY_CLIENT=on both of them and TLS_CA',
};

/** For the schema of an app. */
export const consistentTls = [
  ({ tlsCert, tlsKey, tlsCa, tlsVerifyClient = false }: TlsConfig) => {
    const hasPair = tlsCert !== undefined && tlsKey !== undefined;
    const hasNone = tlsCert === undefined && tlsKey === undefined;
    return (hasPair || hasNone) && (!tlsVerifyClient || (hasPair && tlsCa !== undefined));
  },
  consistentTlsRule,
] as const;
