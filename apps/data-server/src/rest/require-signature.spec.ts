import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { HTTP_SERVER_OPTIONS, createObjectEndpoint, hardenServer, type HttpGate } from '#http';
import { RequestSigner, RequestVerifier } from '#secret';
import { MemoryShardStore } from '#storage/memory';
import { RemoteStores, type RemoteStoresOptions } from '#storage/remote';
import { ALL_ABILITIES, describeShardStore, PATIENT } from '#storage/testing';
import { Metrics, silentLogger } from '#telemetry';
import { AuditLog } from './audit-log.js';
import { requireSignature } from './require-signature.js';

const KEY = randomBytes(32);

/** A data server, as far as objects and the gate go. */
async function serve(tls?: { cert: string; key: string }) {
  const store = new MemoryShardStore();
  const endpoint = createObjectEndpoint(store, {
    maxObjectSizeBytes: 2 ** 40,
    trustGranaryHeaders: true,
    logger: silentLogger,
  });
  let gate: HttpGate | undefined;
  const answer: Parameters<typeof createServer>[1] = (req, res) =>
    void (gate?.(req, res) === true && endpoint(req, res));
  const server: Server =
    tls === undefined
      ? createServer(HTTP_SERVER_OPTIONS, answer)
      : createTlsServer({ ...HTTP_SERVER_OPTIONS, ...tls }, answer);
  hardenServer(server, { logger: silentLogger });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const restart = (): void => {
    gate = requireSignature(new RequestVerifier({ key: KEY, address }), {
      logger: silentLogger,
      metrics: new Metrics(),
    });
  };
  restart();
  return { server, address, restart, store };
}

describe('a server with a certificate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'granary-tls-'));
  const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  let pems: { cert: string; key: string };

  beforeAll(() => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key];
    const names = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...key, ...names, '-out', files.cert], { stdio: 'pipe' });
    pems = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') };
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  describeShardStore(
    'RemoteShardStore over TLS, signed',
    async () => {
      const { server, address } = await serve(pems);
      const context = createSecureContext({ ca: pems.cert });
      const stores = new RemoteStores({
        ...PATIENT,
        signer: new RequestSigner(KEY),
        tls: { secureContext: () => context },
        // A handshake costs some ms of CPU, and both ends of all are this one thread.
        maxConnections: 32,
        waitMs: 20_000,
      });
      return {
        store: stores.storeAt(address, 'granary'),
        dispose: async () => {
          stores.close();
          await new Promise(resolve => server.close(resolve));
        },
      };
    },
    { ...ALL_ABILITIES, catalog: false },
  );
});

describe('requireSignature', () => {
  const name = toObjectName('guarded');
  let data: Awaited<ReturnType<typeof serve>>;
  const opened: RemoteStores[] = [];

  beforeAll(async () => {
    data = await serve();
  });
  afterAll(async () => {
    for (const stores of opened) stores.close();
    await new Promise(resolve => data.server.close(resolve));
  });

  const client = (options: RemoteStoresOptions) => {
    const stores = new RemoteStores({ ...PATIENT, ...options });
    opened.push(stores);
    return stores.storeAt(data.address, 'granary');
  };

  it('lets servers with the key in, also when the process is another, streaming or not', async () => {
    const store = client({ signer: new RequestSigner(KEY) });
    for (const large of [false, true, true, false]) {
      data.restart();
      const bytes = randomBytes(large ? 300_000 : 10);
      if (large) {
        const writer = await store.create(name, { length: bytes.length, stamp: 1 });
        await writer.write(bytes);
        await writer.commit();
      } else {
        await store.put(name, bytes, {});
      }
      data.restart();
      expect((await store.stat(name))?.size).toBe(bytes.length);
      data.restart();
      expect((await store.remove(name, {})).existed).toBe(true);
    }
  });

  it('lets nobody else in, whatever it sends, and stores none of it', async () => {
    for (const options of [{}, { signer: new RequestSigner(randomBytes(32)) }]) {
      const store = client(options);
      await expect(store.put(name, randomBytes(10), {})).rejects.toMatchObject({ code: 'data-server-unavailable' });
      await expect(store.create(name, { length: 300_000 })).rejects.toMatchObject({ code: 'data-server-unavailable' });
      await expect(store.open(name)).rejects.toMatchObject({ code: 'data-server-unavailable' });
      await expect(store.stat(name)).rejects.toMatchObject({ code: 'data-server-unavailable' });
      await expect(store.remove(name, {})).rejects.toMatchObject({ code: 'data-server-unavailable' });
    }
    expect(await data.store.open(name)).toBeUndefined();
  });

  it('is how a client knows whom it asks: it believes nothing of an answer without a proof', async () => {
    const failures: string[] = [];
    const health = { onAnswer: () => {}, onFailure: (address: string) => void failures.push(address) };
    const impostor = createServer((req, res) => {
      req.resume();
      // It has no challenge to give, or says that the object is not there.
      res.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{"code":"object-not-found"}');
    });
    await new Promise<void>(resolve => impostor.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(impostor.address() as AddressInfo).port}`;
    const stores = new RemoteStores({ ...PATIENT, signer: new RequestSigner(KEY), health });
    opened.push(stores);
    await expect(stores.storeAt(address, 'granary').open(name)).rejects.toThrow('cluster secret');
    expect(failures).toEqual([address]);
    impostor.closeAllConnections();
    await new Promise(resolve => impostor.close(resolve));
  });
});

describe('AuditLog', () => {
  it('writes a bounded number of lines, and how many it left out', () => {
    const lines: Record<string, unknown>[] = [];
    let nowMs = 0;
    const keep = (details: object) => void lines.push({ ...details });
    const audit = new AuditLog({ info: keep, warn: keep } as never, () => nowMs);
    for (let index = 0; index < 1000; index += 1) audit.write('warn', { reason: 'unsigned' });
    expect(lines).toHaveLength(50);
    nowMs += 10_000;
    audit.write('info', { reason: 'stale' });
    expect(lines[50]).toEqual({ audit: true, reason: 'stale', untoldBefore: 950 });
    audit.write('info', { reason: 'stale' });
    expect(lines[51]).not.toHaveProperty('untoldBefore');
  });
});
