import type { Heartbeat, ServerFacts } from '#contracts';
import type { Member } from '../member.js';

/** A live, proven member of whatever shape a test needs. */
export function memberOf(id: string, overrides: Partial<Member> & Partial<ServerFacts> = {}): Member {
  const isPeer = overrides.kind === 'peer';
  return {
    key: isPeer ? `peer:${id}` : id,
    address: overrides.address ?? (isPeer ? id : `${id}.test:12345`),
    kind: overrides.kind ?? 'granary',
    facts: isPeer ? undefined : factsOf(id, overrides),
    lastBeatMs: overrides.lastBeatMs ?? 0,
    lastBeatAt: overrides.lastBeatAt ?? new Date(0),
    proven: overrides.proven ?? true,
    suspect: overrides.suspect ?? false,
  };
}

export function beatOf(id: string, overrides: Partial<ServerFacts> & { address?: string } = {}): Heartbeat {
  return { address: overrides.address ?? `${id}.test:12345`, facts: factsOf(id, overrides) };
}

function factsOf(id: string, overrides: Partial<ServerFacts>): ServerFacts {
  const { bootId, sequence, state, reason, capacityBytes, usedBytes, clock, members, zone } = overrides;
  return {
    serverId: id,
    bootId: bootId ?? `${id}-boot-1`,
    sequence: sequence ?? 1,
    state: state ?? 'ready',
    ...(reason === undefined ? {} : { reason }),
    capacityBytes: capacityBytes ?? 2 ** 40,
    usedBytes: usedBytes ?? 0,
    clock: clock ?? 0,
    members: members ?? [id],
    ...(zone === undefined ? {} : { zone }),
  };
}
