import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { ConfigError } from '#config';
import type { TlsConfig } from './tls-variables.js';

/** What `https.createServer` and `setSecureContext` take. */
export interface ServerTlsOptions {
  cert: string;
  key: string;
  ca?: string;
  /** Whether clients must show a certificate of `ca`. */
  requestCert: boolean;
  rejectUnauthorized: boolean;
}

interface Pems {
  cert?: string;
  key?: string;
  ca?: string;
}

interface Logger {
  info(message: string): void;
  error(details: object, message: string): void;
}

const LOOK_INTERVAL_MS = 60_000;

/** The certificates of a server of a cluster that speaks TLS, for both ends of its connections. */
export class ClusterTls {
  #pems: Pems;
  #context: SecureContext;
  readonly #listeners = new Set<(options: ServerTlsOptions) => void>();

  /** Undefined when the cluster speaks plain HTTP. Throws ConfigError when the files do not belong together. */
  static of(config: TlsConfig): ClusterTls | undefined {
    if (config.tlsCert === undefined && config.tlsCa === undefined) return undefined;
    try {
      return new ClusterTls(config);
    } catch (error) {
      throw new ConfigError(`TLS_CERT, TLS_KEY and TLS_CA cannot be used: ${messageOf(error)}`, { cause: error });
    }
  }

  private constructor(private readonly config: TlsConfig) {
    this.#pems = readPems(config);
    this.#context = createSecureContext(this.#pems);
  }

  /** Undefined when this server has no certificate, and so serves plain HTTP. */
  get server(): ServerTlsOptions | undefined {
    const { cert, key, ca } = this.#pems;
    if (cert === undefined || key === undefined) return undefined;
    const isVerified = this.config.tlsVerifyClient === true;
    return { cert, key, ...(ca !== undefined && { ca }), requestCert: isVerified, rejectUnauthorized: isVerified };
  }

  /** For connections to other servers, which begin from now on. */
  secureContext(): SecureContext {
    return this.#context;
  }

  /** Called when the files have changed, with what to serve from now on. */
  onReload(listener: (options: ServerTlsOptions) => void): void {
    this.#listeners.add(listener);
  }

  /** Looks for changed files every minute; what cannot be used is told of in the log, and changes nothing. Returns how to stop. */
  watch(logger: Logger, intervalMs = LOOK_INTERVAL_MS): () => void {
    const timer = setInterval(() => this.#reload(logger), intervalMs).unref();
    return () => clearInterval(timer);
  }

  #reload(logger: Logger): void {
    try {
      const pems = readPems(this.config);
      if (JSON.stringify(pems) === JSON.stringify(this.#pems)) return;
      this.#context = createSecureContext(pems);
      this.#pems = pems;
      const { server } = this;
      if (server !== undefined) for (const listener of this.#listeners) listener(server);
      logger.info('new certificates are in use');
    } catch (error) {
      logger.error({ err: error }, 'the certificates have changed and cannot be used; the former stay');
    }
  }
}

function readPems({ tlsCert, tlsKey, tlsCa }: TlsConfig): Pems {
  return {
    ...(tlsCert !== undefined && { cert: readFileSync(tlsCert, 'utf8') }),
    ...(tlsKey !== undefined && { key: readFileSync(tlsKey, 'utf8') }),
    ...(tlsCa !== undefined && { ca: readFileSync(tlsCa, 'utf8') }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
