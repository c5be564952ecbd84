import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import supertest from 'supertest';
import { loadConfig } from '#config';
import { Metrics, silentLogger } from '#telemetry';
import { dataServerSchema } from './config.js';
import { startDataServer, type DataServer } from './data-server.module.js';

/** An address of its own: a port that is free there stays so while the server is down, whatever runs beside. */
const HOST = '127.0.21.1';

/** A single node: the real application on a real directory, in this process. */
describe('data server', () => {
  let directory: string;
  let listenAddress: string;
  let server: DataServer;

  const start = () => {
    const config = loadConfig(dataServerSchema, {
      LISTEN_ADDRESS: listenAddress,
      STORAGE_ROOT: join(directory, 'store'),
      MAX_OBJECT_SIZE_BYTES: '1MiB',
      SERVER_ID: 'ds-1',
    });
    return startDataServer(config, { logger: silentLogger, metrics: new Metrics() });
  };
  const http = () => supertest(`http://${server.address}`);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-data-server-'));
    listenAddress = `${HOST}:${await freePort()}`;
    server = await start();
  });
  afterAll(async () => {
    await server.stop();
    await rm(directory, { recursive: true });
  });

  it('stores, serves, describes and deletes objects', async () => {
    const put = await http().put('/objects/a/b%20c').set('Content-Type', 'text/plain').send('this is object test2');
    expect([put.status, put.headers['content-length']]).toEqual([200, '0']);
    const get = await http().get('/objects/a%2Fb%20c').expect(200, 'this is object test2');
    expect(get.headers).toMatchObject({ 'content-type': 'text/plain', etag: put.headers['etag'] });
    await http().head('/objects/a/b c').expect(200).expect('Content-Length', '20');
    await http().get('/objects/a/b%20c').set('Range', 'bytes=0-3').expect(206, 'this');
    await http().delete('/objects/a/b%20c').expect(204);
    await http().delete('/objects/a/b%20c').expect(404);
    await http().get('/objects/a/b%20c').expect(404).expect('Content-Type', 'application/problem+json');
  });

  it('refuses what it cannot take', async () => {
    await http().put('/objects/%FF').send('x').expect(400);
    await http()
      .put('/objects/large')
      .send(Buffer.alloc(1024 * 1024 + 1))
      .expect(413);
    await http().post('/objects/x').expect(405).expect('Allow', 'GET, HEAD, PUT, DELETE');
    await http().get('/cluster').expect(404);
  });

  it('locates what it has at its own address', async () => {
    await http().put('/objects/here').send('x').expect(200);
    await http().get('/locate/here').expect(200, JSON.stringify(listenAddress));
    await http().get('/locate/here?all').expect(200, [listenAddress]);
    await http().get('/locate/there').expect(404);
  });

  it('says who and how it is', async () => {
    await http().get('/health/live').expect(200, { status: 'ok' });
    await http().get('/health/ready').expect(200, { status: 'ok', missing: [], detail: [] });
    const { body } = await http().get('/identity').expect(200);
    expect(body).toEqual({ serverId: 'ds-1', bootId: server.identity.bootId, version: expect.stringMatching(/^\d/) });
    const metrics = await http().get('/metrics').expect(200);
    expect(metrics.text).toContain('granary_http_request_duration_seconds_count{route="/objects/",method="PUT"');
    await http().get('/docs').expect(200);
  });

  it('refuses an address that is taken, and leaves nothing open', async () => {
    await expect(start()).rejects.toThrow(/EADDRINUSE|ds-1/);
  });

  it('finds its objects again, under the same id', async () => {
    await http().put('/objects/kept').send('still here').expect(200);
    const { bootId } = server.identity;
    await server.stop();
    server = await start();
    await http().get('/objects/kept').expect(200);
    expect(server.identity.serverId).toBe('ds-1');
    expect(server.identity.bootId).not.toBe(bootId);
  });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>(resolve => void probe.listen(0, HOST, resolve));
  const address = probe.address();
  await new Promise(resolve => void probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
