import { randomUUID } from 'node:crypto';
import { ROUTES, parseIdentity, type ServerFacts } from '#contracts';
import type { Member } from '#cluster';
import type { CallServer, ServerAnswer } from '#storage';

const DEADLINE_MS = 1000;
const MAX_BODY_BYTES = 4096;

type Ask = (method: 'GET' | 'POST', path: string) => Promise<ServerAnswer>;

/**
 * Whether the member's address answers as what its heartbeats claim: a server of ours tells its server
 * id and boot id; a peer is known by its manners. Rejects when nothing answers within a second.
 */
export function proveServer(call: CallServer): (member: Member) => Promise<boolean> {
  return ({ address, facts }) => {
    const bounds = { deadlineMs: DEADLINE_MS, maxAnswerBytes: MAX_BODY_BYTES };
    const ask: Ask = (method, path) => call({ address, method, path, ...bounds });
    return facts === undefined ? provePeer(ask) : proveOurs(ask, facts);
  };
}

async function proveOurs(ask: Ask, { serverId, bootId }: ServerFacts): Promise<boolean> {
  const { status, body } = await ask('GET', ROUTES.identity);
  const identity = parseIdentity(body);
  return status === 200 && identity?.serverId === serverId && identity.bootId === bootId;
}

/** It has not what nobody stored, refuses methods it does not know, and has no identity to show. */
async function provePeer(ask: Ask): Promise<boolean> {
  const nowhere = `${ROUTES.objects}granary-probe-${randomUUID()}`;
  const answers = await Promise.all([ask('GET', nowhere), ask('POST', nowhere), ask('GET', ROUTES.identity)]);
  const [missing, refused, identity] = answers.map(answer => answer.status);
  return missing === 404 && refused === 405 && identity !== 200;
}
