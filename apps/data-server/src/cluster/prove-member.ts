import { ROUTES, parseIdentity } from '#contracts';
import type { Member } from '#cluster';
import type { CallServer } from '#storage';

const DEADLINE_MS = 2000;
const MAX_ANSWER_BYTES = 4096;

/** Whether the member's address answers as the server and the boot that its beats claim. Rejects when nothing answers within two seconds. */
export function proveMember(call: CallServer): (member: Member) => Promise<boolean> {
  return async ({ address, facts }) => {
    const bounds = { deadlineMs: DEADLINE_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
    const { status, body } = await call({ address, method: 'GET', path: ROUTES.identity, ...bounds });
    const identity = parseIdentity(body);
    if (status !== 200 || identity === undefined) return false;
    return identity.serverId === facts?.serverId && identity.bootId === facts.bootId;
  };
}
