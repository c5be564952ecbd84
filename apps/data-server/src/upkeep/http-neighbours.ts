import { GranaryError, ROUTES, reconcileAnswerShape, type Note, type ReconcileRequest, type Verdict } from '#contracts';
import type { Member } from '#cluster';
import type { CallServer, ShardStore } from '#storage';
import type { OwnServer } from '../announce/own-server.js';
import type { Neighbours } from './neighbours.js';

/** The receiver may have to read entity tags from its disk, or to remember removals durably. */
const DEADLINE_MS = 10_000;
/** An entity tag and little else for each of MAX_NOTES. */
const MAX_ANSWER_BYTES = 256 * 1024;

/** What is used of RemoteStores. */
export interface StoresByAddress {
  storeAt(address: string, kind: 'granary' | 'peer'): ShardStore;
  retain(addresses: ReadonlySet<string>): void;
  call: CallServer;
}

/** Speaks docs/protocol/reconcile.md over HTTP. */
export class HttpNeighbours implements Neighbours {
  constructor(
    private readonly own: OwnServer,
    private readonly stores: StoresByAddress,
  ) {}

  async compare(member: Member, notes: readonly Note[]): Promise<Verdict[]> {
    const verdicts = await this.#post(member, { notes: [...notes] });
    if (verdicts.length !== notes.length)
      throw unavailable(member, `${verdicts.length} verdicts on ${notes.length} notes`);
    return verdicts;
  }

  async sayDone(member: Member): Promise<void> {
    await this.#post(member, { notes: [], done: true });
  }

  storeOf(member: Member): ShardStore {
    return this.stores.storeAt(member.address, member.kind);
  }

  retain(members: readonly Member[]): void {
    this.stores.retain(new Set(members.map(({ address }) => address)));
  }

  async #post(member: Member, message: Pick<ReconcileRequest, 'notes' | 'done'>): Promise<Verdict[]> {
    const { serverId, bootId } = this.own;
    const to = { to: member.key, toBoot: member.facts?.bootId ?? '' };
    const request: ReconcileRequest = { from: serverId, fromBoot: bootId, ...to, ...message };
    try {
      const { status, body } = await this.stores.call({
        address: member.address,
        method: 'POST',
        path: ROUTES.reconcile,
        body: JSON.stringify(request),
        deadlineMs: DEADLINE_MS,
        maxAnswerBytes: MAX_ANSWER_BYTES,
      });
      if (status !== 200) throw new Error(`status ${status}: ${body.slice(0, 500)}`);
      return reconcileAnswerShape.parse(JSON.parse(body)).verdicts;
    } catch (cause) {
      throw unavailable(member, 'no usable answer to reconcile', cause);
    }
  }
}

function unavailable(member: Member, what: string, cause?: unknown): GranaryError {
  return new GranaryError('data-server-unavailable', `Data server ${member.key} at ${member.address}: ${what}.`, {
    cause,
  });
}
