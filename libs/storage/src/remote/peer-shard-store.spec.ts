import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { toObjectName } from '#contracts';
import type { ShardStore } from '../shard-store.js';
import { describeShardStore } from '../testing/index.js';
import { PATIENT } from '../testing/patient.js';
import { RemoteStores } from './remote-stores.js';

/** A data server of another implementation, with all its weaknesses: a body that is cut off is kept. */
class Peer {
  readonly objects = new Map<string, Buffer>();
  readonly unexpected: string[] = [];
  // Node's own 5 s pass in a pause, and what is just being sent then on an idle connection is lost.
  private readonly server: Server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    const name = (req.url ?? '').split('/')[2] ?? '';
    if (req.method === 'GET') {
      const bytes = this.objects.get(name);
      if (bytes !== undefined && bytes.length < 512) res.setHeader('Content-Length', bytes.length);
      res.writeHead(bytes === undefined ? 404 : 200).end(bytes);
      return;
    }
    if (req.method !== 'PUT' || req.headers['transfer-encoding'] !== 'chunked' || req.headers.expect !== undefined) {
      this.unexpected.push(`${req.method} ${JSON.stringify(req.headers)}`);
      res.writeHead(405).end();
      return;
    }
    const chunks: Buffer[] = [];
    req.on('data', chunk => chunks.push(chunk));
    req.on('error', () => {});
    req.on('close', () => this.objects.set(name, Buffer.concat(chunks)));
    req.on('end', () => res.writeHead(200, { 'Content-Length': 0 }).end());
  });

  async listen(): Promise<string> {
    await new Promise<void>(resolve => this.server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }
}

describeShardStore(
  'PeerShardStore',
  async () => {
    const peer = new Peer();
    const stores = new RemoteStores(PATIENT);
    return {
      store: stores.storeAt(await peer.listen(), 'peer'),
      dispose: async () => {
        stores.close();
        await peer.close();
        expect(peer.unexpected).toEqual([]);
      },
    };
  },
  {
    catalog: false,
    remove: false,
    preconditions: false,
    stamps: false,
    digests: false,
    metadata: false,
    atomicWrites: false,
    steadyReaders: false,
  },
);

describe('PeerShardStore', () => {
  const peer = new Peer();
  const stores = new RemoteStores(PATIENT);
  let address: string;
  let store: ShardStore;
  beforeAll(async () => {
    address = await peer.listen();
    store = stores.storeAt(address, 'peer');
  });
  afterAll(async () => {
    stores.close();
    await peer.close();
  });
  const held = toObjectName('held');
  const absent = toObjectName('absent/ü');
  const wrong = { sha256: createHash('sha256').update('something else').digest() };

  it('says that it cannot remove what the peer holds, naming it', async () => {
    await store.put(held, Buffer.from('x'), {});
    await expect(store.remove(held, {})).rejects.toMatchObject({
      code: 'peer-cannot',
      message: expect.stringContaining(address),
    });
    expect(await store.remove(absent, { stamp: 5 })).toEqual({ existed: false, stamp: 5 });
  });

  it('looks at preconditions before it writes', async () => {
    const failed = { code: 'precondition-failed' };
    await expect(store.put(held, Buffer.from('y'), { precondition: { ifNoneMatch: '*' } })).rejects.toMatchObject(
      failed,
    );
    await expect(store.create(absent, { precondition: { ifMatch: '*' } })).rejects.toMatchObject(failed);
    await expect(store.create(held, { precondition: { ifMatch: ['a'] } })).rejects.toMatchObject(failed);
    await store.put(held, Buffer.from('z'), { precondition: { ifMatch: '*', ifNoneMatch: ['a'] } });
    expect(peer.objects.get('held')?.toString()).toBe('z');
    expect(peer.objects.has('absent%2F%C3%BC')).toBe(false);
  });

  it('sends nothing, or not the end, of a body that lacks its digest', async () => {
    const mismatch = { code: 'digest-mismatch' };
    await expect(store.put(absent, Buffer.from('x'), { expected: wrong })).rejects.toMatchObject(mismatch);
    expect(peer.objects.has('absent%2F%C3%BC')).toBe(false);
    for (const options of [{ length: 3, expected: wrong }, {}]) {
      const writer = await store.create(toObjectName('cut'), options);
      await writer.write(Buffer.from('abc'));
      await expect(writer.commit({ expected: wrong })).rejects.toMatchObject(mismatch);
      await writer.abort();
      await sleep(20);
    }
  });

  it('does not wait for the rest of a body beyond the range', async () => {
    const bytes = Buffer.alloc(5_000_000, 'abcdefghij');
    await store.put(held, bytes, {});
    const reader = await store.open(held);
    expect(reader?.info).toMatchObject({ size: undefined, stamp: 0, etag: undefined });
    let text = '';
    await reader?.copyTo(chunk => void (text += chunk.toString()), { first: 10, last: 14 });
    await reader?.copyTo(chunk => void (text += chunk.toString()), { first: 4_999_999, last: 4_999_999 });
    expect(text).toBe('abcdej');
    await expect(reader?.copyTo(() => undefined, { first: 0, last: 5_000_000 })).rejects.toMatchObject({
      code: 'data-server-unavailable',
    });
    await reader?.close();
  });
});
