import { describe, expect, it } from '@jest/globals';
import { EXCHANGES, encodeBody, parseControl, type ControlMessage } from '#contracts';
import { MemoryMessageBus } from '#mq/memory';
import { MemoryCluster, settle, type TestApiServer } from '../testing/memory-cluster.js';
import { Membership } from './membership.js';

async function setUp() {
  const cluster = new MemoryCluster();
  await cluster.addServer('a', { members: ['gone'] });
  const heard: (ControlMessage | undefined)[] = [];
  await new MemoryMessageBus(cluster.hub).subscribe(EXCHANGES.control, ({ body }) => heard.push(parseControl(body)));
  const api = await cluster.apiServer();
  const malformed: string[] = [];
  return { api, heard, malformed, membership: new Membership(api.view, api.bus, exchange => malformed.push(exchange)) };
}

function missing(api: TestApiServer): readonly string[] {
  return api.view.missing;
}

describe('Membership', () => {
  it('asks for beats when it starts', async () => {
    const { membership, heard } = await setUp();
    membership.start()();
    await settle();
    expect(heard).toEqual([{ kind: 'beat-now' }]);
  });

  it('drops and counts what is no heartbeat', async () => {
    const { membership, malformed } = await setUp();
    for (const body of [Buffer.from('{'), Buffer.from('5'), encodeBody('nonsense'), Buffer.alloc(0)]) {
      membership.hearBeat({ body, headers: {} });
    }
    membership.hearBeat({ body: encodeBody('host:80'), headers: { 'granary-protocol': 1 } });
    membership.hearControl({ body: encodeBody('dance'), headers: {} });
    expect(malformed).toEqual([...Array.from({ length: 5 }, () => EXCHANGES.apiServers), EXCHANGES.control]);
  });

  it('forgets a missing server, and tells the others', async () => {
    const { membership, api, heard } = await setUp();
    expect(missing(api)).toEqual(['gone']);
    await membership.forget('gone');
    await settle();
    expect(heard).toEqual([{ kind: 'forget', serverId: 'gone' }]);
    expect(missing(api)).toEqual([]);
    await expect(membership.forget('gone')).rejects.toMatchObject({ status: 404 });
    await expect(membership.forget('a')).rejects.toMatchObject({ status: 412 });
  });

  it('forgets when another API server was told to', async () => {
    const { membership, api } = await setUp();
    membership.hearControl({ body: encodeBody('forget gone'), headers: {} });
    expect(missing(api)).toEqual([]);
  });

  it('forgets nothing that it cannot tell the others', async () => {
    const { membership, api } = await setUp();
    await api.bus.close();
    await expect(membership.forget('gone')).rejects.toMatchObject({ status: 503 });
    expect(missing(api)).toEqual(['gone']);
  });
});
