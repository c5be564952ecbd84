/** A cluster that speaks TLS between its servers, and to its broker. The certificates are made here, for this run. */
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createServer as createTlsServer } from 'node:tls';
import { startBroker, type Broker } from '../../tools/broker.js';
import { Authority, pemsOf, type Certificate } from '../harness/certificates.js';
import { apiServer, Cluster, dataServer } from '../harness/cluster.js';
import { del, get, problemCode, put, rawRequest, request, useCertificates } from '../harness/http.js';
import { it } from '../harness/it.js';
import { loopback } from '../harness/lane.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';

const ADDRESSES = [1, 2, 3, 4, 9].flatMap(n => [loopback(`1.${n}`), loopback(`2.${n}`)]);

let broker: Broker;
let authority: Authority;
let ours: Certificate;

beforeAll(async () => {
  broker = await startBroker();
  authority = new Authority('granary test');
  ours = authority.issue(ADDRESSES);
});
afterEach(() => useCertificates(undefined));
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

function tlsEnv(certificate: Certificate, verifyClient: 'on' | 'off'): Record<string, string> {
  return {
    TLS_CERT: certificate.cert,
    TLS_KEY: certificate.key,
    TLS_CA: authority.ca,
    TLS_VERIFY_CLIENT: verifyClient,
    CLUSTER_SECRET: randomBytes(32).toString('base64'),
  };
}

describe('a cluster with mutual TLS', () => {
  it('works, and speaks to nobody without a certificate of its authority', async () => {
    useCertificates(pemsOf(ours, authority.ca));
    const env = tlsEnv(ours, 'on');
    const cluster = await Cluster.start({ brokerUrl: broker.url, dataServers: 3, env });
    for (const size of [0, 1, 20_000, 64 * 1024, 5_000_000]) {
      const body = randomBytes(size);
      expect((await put(`${cluster.api(0)}/objects/size-${size}`, body)).status).toBe(200);
      const read = await get(`${cluster.api(1)}/objects/size-${size}`);
      expect([read.status, read.body.equals(body)]).toEqual([200, true]);
    }
    const part = await get(`${cluster.api(1)}/objects/size-5000000`, { Range: 'bytes=1000000-1999999' });
    expect([part.status, part.body.length]).toEqual([206, 1_000_000]);
    expect((await del(`${cluster.api(1)}/objects/size-1`)).status).toBe(204);
    expect((await get(`${cluster.api(0)}/objects/size-1`)).status).toBe(404);

    const holder = await cluster.holder('size-20000');
    expect(problemCode(await get(`${holder.url}/objects/size-20000`))).toBe('unauthorized');
    const plain = await rawRequest(holder.address, 'GET /objects/size-20000 HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(plain.text).not.toContain('200 OK');
    for (const stranger of [undefined, new Authority('another').issue(ADDRESSES)]) {
      const { ca, ...own } = pemsOf(stranger ?? ours, authority.ca);
      useCertificates({ ca, ...(stranger === undefined ? {} : own) });
      await expect(request(`${holder.url}/health/live`, { timeoutMs: 2000 })).rejects.toThrow();
    }

    // A server whose certificate is another authority's: nothing is sent to it, whatever it signs.
    useCertificates(pemsOf(ours, authority.ca));
    const foreign = new Authority('another').issue(ADDRESSES);
    const odd = await dataServer(
      { brokerUrl: broker.url, env: { ...env, TLS_CERT: foreign.cert, TLS_KEY: foreign.key } },
      8,
    );
    await waitUntil('its beats are heard', 20_000, async () => {
      return (await cluster.view()).some(({ address, state }) => address === odd.address && state === 'unproven');
    });
    for (let index = 0; index < 20; index += 1) {
      expect((await put(`${cluster.api(index)}/objects/beside-${index}`, 'x')).status).toBe(200);
    }
    expect((await cluster.view()).find(({ address }) => address === odd.address)?.state).toBe('unproven');
    await odd.stop();
    await cluster.stop();
  });
});

describe('a cluster with TLS', () => {
  it('moves copies home, reads through amqps, survives a restart, and asks clients for no certificate', async () => {
    useCertificates({ ca: pemsOf(ours, authority.ca).ca });
    const tunnel = await tlsTunnel(broker.url);
    const env = { ...tlsEnv(ours, 'off'), NODE_EXTRA_CA_CERTS: authority.ca };
    const cluster = await Cluster.start({ brokerUrl: tunnel.url, dataServers: 2, apiServers: 1, env });
    const bodies = new Map(Array.from({ length: 30 }, (_, index) => [`moving-${index}`, randomBytes(5000 * index)]));
    for (const [name, body] of bodies) expect((await put(`${cluster.api()}/objects/${name}`, body)).status).toBe(200);
    const newcomer = await dataServer(cluster.options, 2);
    await newcomer.ready();
    await waitUntil('the newcomer has its share', 30_000, async () => {
      const metrics = (await get(`${newcomer.url}/metrics`)).body.toString();
      return Number(/^granary_storage_objects (\d+)/m.exec(metrics)?.[1] ?? 0) > 3;
    });
    await newcomer.restart();
    await cluster.sees(cluster.api(), [newcomer.address]);
    for (const [name, body] of bodies) expect((await get(`${cluster.api()}/objects/${name}`)).body).toEqual(body);
    expect((await cluster.apis[0]?.stop())?.code).toBe(0);
    await newcomer.stop();
    await cluster.stop();
    tunnel.close();
  });

  it('refuses to start with files that do not belong together', async () => {
    const other = authority.issue([loopback('2.9')]);
    const key = { ...tlsEnv(ours, 'off'), TLS_KEY: other.key };
    const half: Record<string, string> = { ...tlsEnv(ours, 'off'), TLS_KEY: '' };
    const mistakes = [
      [key, 'cannot be used'],
      [half, 'TLS_CERT and TLS_KEY together'],
      [{ ...key, TLS_CA: '/nowhere' }, 'a file that can be read'],
    ] as const;
    await Promise.all(
      mistakes.map(async ([env, reason]) => {
        const server = await apiServer({ brokerUrl: broker.url, env }, 8);
        expect(await server.exit()).toBe(1);
        expect(server.log.join('\n')).toContain(reason);
      }),
    );
  });
});

/** The broker behind TLS, as amqps. */
async function tlsTunnel(brokerUrl: string): Promise<{ url: string; close: () => void }> {
  const url = new URL(brokerUrl);
  const upstreamAddress = { host: url.hostname, port: Number(url.port || 5672) };
  const { cert, key } = pemsOf(ours, authority.ca);
  const server = createTlsServer({ cert, key }, client => {
    const upstream = connect(upstreamAddress);
    // Whoever ends first ends both; that is the end of the test, or what it is about.
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      pipeline(from, to).catch(() => undefined);
    }
  });
  server.listen(0, loopback('1.9'));
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  url.protocol = 'amqps:';
  url.host = `${loopback('1.9')}:${port}`;
  return { url: url.href, close: () => server.close() };
}
