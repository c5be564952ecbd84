import { mkdtemp, rm } from 'node:fs/promises';
import { request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createObjectEndpoint } from '#http';
import { openSqliteMetadata } from '#metadata/sqlite';
import { createApplication, listen, METRICS_TEXT, OBJECT_ENDPOINT, READINESS_PROBE, readinessOf } from '#nest';
import { Metrics, silentLogger } from '#telemetry';
import { patientThread } from '#metadata/testing';
import { MemoryBlobStore } from '../../blobs/testing/memory-blob-store.js';
import { openVersions } from '../versions.module.js';
import { interpose, type InterposedMetadata } from './interposed-metadata.js';

class VersionsApp {}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
  /** The code of a problem. */
  code: string | undefined;
}

export type Send = (
  method: string,
  path: string,
  headers?: Record<string, string>,
  body?: string | Buffer,
) => Promise<Answer>;

export interface ServedVersions {
  port: number;
  send: Send;
  blobs: MemoryBlobStore;
  metadata: InterposedMetadata;
  databasePath: string;
  /** Servers that are not believed to live. */
  dead: Set<string>;
  close: () => Promise<void>;
}

/** The routes of names over HTTP, on SQLite and blobs in memory. */
export async function serveVersions(): Promise<ServedVersions> {
  const directory = await mkdtemp(join(tmpdir(), 'granary-versions-'));
  const databasePath = join(directory, 'metadata.db');
  const sqlite = await openSqliteMetadata({ path: databasePath, ...patientThread });
  const metadata = interpose(sqlite);
  const blobs = new MemoryBlobStore();
  const dead = new Set<string>();
  const { store, controllers, providers } = openVersions({
    metadata: metadata.store,
    blobs,
    redundancyFor: asked => asked,
    addressOf: server => (dead.has(server) ? undefined : `${server}:1`),
    logger: silentLogger,
  });
  const metrics = new Metrics();
  const endpoint = createObjectEndpoint(store, { maxObjectSizeBytes: 64 * 1024 * 1024, logger: silentLogger });
  const app = await createApplication(
    {
      module: VersionsApp,
      controllers,
      providers: [
        ...providers,
        { provide: OBJECT_ENDPOINT, useValue: endpoint },
        { provide: METRICS_TEXT, useValue: () => metrics.text() },
        { provide: READINESS_PROBE, useValue: () => readinessOf([]) },
      ],
    },
    { program: 'api-server', logger: silentLogger, metrics, stallTimeoutMs: 30_000, maxConnections: 1000 },
  );
  const address = await listen(app, { host: '127.0.0.1', port: 0 });
  const port = Number(address.split(':')[1]);
  return {
    port,
    send: (...args) => send(port, ...args),
    blobs,
    metadata,
    databasePath,
    dead,
    close: async () => {
      await app.close();
      await sqlite.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** Waits until it holds; rejects after 20 s. */
export async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !holds(); i += 1) await new Promise(resolve => setTimeout(resolve, 10));
  if (!holds()) throw new Error('It does not come about.');
}

/** The request exactly as it is given, which fetch would tidy up. */
function send(port: number, ...[method, path, headers = {}, body]: Parameters<Send>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length: Record<string, string> = body === undefined ? {} : { 'Content-Length': `${Buffer.byteLength(body)}` };
    const sent = request({ port, host: '127.0.0.1', method, path, headers: { ...length, ...headers }, agent: false });
    sent.on('error', reject);
    sent.on('response', response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString();
        const isProblem = response.headers['content-type'] === 'application/problem+json' && text !== '';
        const code = isProblem ? (JSON.parse(text) as { code: string }).code : undefined;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes, text, code });
      });
    });
    sent.end(body);
  });
}
