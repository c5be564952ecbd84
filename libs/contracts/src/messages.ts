import { GranaryError } from './errors.js';
import { decodeObjectName, encodeObjectName, type ObjectName } from './object-name.js';
import { parseStamp, type Stamp } from './stamp.js';

/** Fanout exchanges, all durable. The first two are shared with peers, which crash on a body that is no JSON string. */
export const EXCHANGES = {
  /** Heartbeats: data servers to API servers (and to each other). */
  apiServers: 'apiServers',
  /** Locate requests: API servers to data servers. */
  dataServers: 'dataServers',
  /** Ours alone: what one server asks of all others (ControlMessage). */
  control: 'granary.control',
} as const;
export type Exchange = (typeof EXCHANGES)[keyof typeof EXCHANGES];

/** A larger message is dropped and counted. */
export const MAX_MESSAGE_BYTES = 64 * 1024;

export const PROTOCOL_VERSION = 1;

/** The version of docs/protocol/frames.md that our servers speak. */
export const FRAMES_VERSION = 1;

/** AMQP headers of ours. Peers ignore them. */
export const MESSAGE_HEADERS = {
  protocol: 'granary-protocol',
  serverId: 'granary-server-id',
  bootId: 'granary-boot-id',
  sequence: 'granary-sequence',
  state: 'granary-state',
  reason: 'granary-reason',
  capacityBytes: 'granary-capacity',
  usedBytes: 'granary-used',
  clock: 'granary-clock',
  members: 'granary-members',
  /** On a heartbeat: the version of the frame protocol that the server speaks at its address. */
  frames: 'granary-frames',
  /** What fails together with the sender, e.g. a rack. */
  zone: 'granary-zone',
  /** On a locate request: the asker understands "not here". */
  understandsNo: 'granary-understands-no',
  /** On a locate answer: `here` or `not-here`. */
  answer: 'granary-answer',
  /** On a locate answer: the stamp of the copy, or of the tombstone, if there is either. */
  stamp: 'granary-stamp',
  /** In a cluster with a secret: makes a question or a control message unlike every other. */
  nonce: 'granary-nonce',
  /** In a cluster with a secret: shows that a server of the cluster sent this (docs/security.md). */
  signature: 'granary-signature',
} as const;

export type MessageHeaders = Readonly<Record<string, unknown>>;

/**
 * `joining`: up, but still comparing what it holds with the others; it answers locates, and is nobody's first choice.
 * `read-only`: takes no new objects (disk full, or by setting). `leaving`: shutting down.
 */
export const SERVER_STATES = ['joining', 'ready', 'read-only', 'leaving'] as const;
export type ServerState = (typeof SERVER_STATES)[number];

/** What our own data servers say of themselves beyond their address. */
export interface ServerFacts {
  serverId: string;
  /** Fresh at every start of the process. */
  bootId: string;
  /** Counts the beats of one boot from 1. */
  sequence: number;
  state: ServerState;
  /** Why the state is not `ready`, for people. */
  reason?: string;
  capacityBytes: number;
  usedBytes: number;
  /** The sender's logical clock (stamp.ts). */
  clock: Stamp;
  /** Server ids that the sender knows to belong to the cluster, itself included; at most MAX_MEMBERS. */
  members: readonly string[];
  /** The version of the frame protocol that it speaks; undefined if none. */
  framesVersion?: number;
  /** A label that servers share which may fail together: a rack, a building. Shards are spread over zones. */
  zone?: string;
}

export interface Heartbeat {
  /** `host:port`, where the server's HTTP is reached. */
  address: string;
  /** Absent in a peer's beat. */
  facts?: ServerFacts;
}

export const MAX_MEMBERS = 512;

const ADDRESS = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})$/;

export function isServerAddress(text: string): boolean {
  const match = ADDRESS.exec(text);
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65_535;
}

/** The body of every message on the shared exchanges: one JSON string. */
export function encodeBody(text: string): Buffer {
  return Buffer.from(JSON.stringify(text));
}

/** Returns undefined unless the body is one JSON string of acceptable size. Never throws. */
export function decodeBody(body: Buffer): string | undefined {
  if (body.length > MAX_MESSAGE_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

export function heartbeatHeaders(facts: ServerFacts): MessageHeaders {
  return {
    [MESSAGE_HEADERS.protocol]: PROTOCOL_VERSION,
    [MESSAGE_HEADERS.serverId]: facts.serverId,
    [MESSAGE_HEADERS.bootId]: facts.bootId,
    [MESSAGE_HEADERS.sequence]: facts.sequence,
    [MESSAGE_HEADERS.state]: facts.state,
    ...(facts.reason === undefined ? {} : { [MESSAGE_HEADERS.reason]: facts.reason }),
    [MESSAGE_HEADERS.capacityBytes]: facts.capacityBytes,
    [MESSAGE_HEADERS.usedBytes]: facts.usedBytes,
    [MESSAGE_HEADERS.clock]: String(facts.clock),
    [MESSAGE_HEADERS.members]: facts.members.join(','),
    ...(facts.framesVersion === undefined ? {} : { [MESSAGE_HEADERS.frames]: facts.framesVersion }),
    ...(facts.zone === undefined ? {} : { [MESSAGE_HEADERS.zone]: facts.zone }),
  };
}

/**
 * Reads a heartbeat. Undefined when it is malformed: no address, or headers of ours that do not parse.
 * A beat without our headers is a peer's.
 */
export function parseHeartbeat(body: Buffer, headers: MessageHeaders): Heartbeat | undefined {
  const address = decodeBody(body);
  if (address === undefined || !isServerAddress(address)) return undefined;
  if (headers[MESSAGE_HEADERS.protocol] === undefined) return { address };
  const facts = parseFacts(headers);
  return facts === undefined ? undefined : { address, facts };
}

function parseFacts(headers: MessageHeaders): ServerFacts | undefined {
  const serverId = identifier(headers[MESSAGE_HEADERS.serverId]);
  const bootId = identifier(headers[MESSAGE_HEADERS.bootId]);
  const sequence = count(headers[MESSAGE_HEADERS.sequence]);
  const state = SERVER_STATES.find(known => known === headers[MESSAGE_HEADERS.state]);
  const capacityBytes = count(headers[MESSAGE_HEADERS.capacityBytes]);
  const usedBytes = count(headers[MESSAGE_HEADERS.usedBytes]);
  const clock = parseStamp(text(headers[MESSAGE_HEADERS.clock], 16));
  const members = text(headers[MESSAGE_HEADERS.members], MAX_MEMBERS * 65)
    ?.split(',')
    .filter(id => identifier(id) !== undefined);
  if (
    serverId === undefined ||
    bootId === undefined ||
    sequence === undefined ||
    state === undefined ||
    capacityBytes === undefined ||
    usedBytes === undefined ||
    clock === undefined ||
    members === undefined
  ) {
    return undefined;
  }
  const reason = text(headers[MESSAGE_HEADERS.reason], 200);
  const framesVersion = count(headers[MESSAGE_HEADERS.frames]);
  const zone = identifier(headers[MESSAGE_HEADERS.zone]);
  return {
    serverId,
    bootId,
    sequence,
    state,
    capacityBytes,
    usedBytes,
    clock,
    members,
    ...(reason === undefined ? {} : { reason }),
    ...(framesVersion === undefined ? {} : { framesVersion }),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** The body of a locate request: the name as one percent-encoded segment. */
export function encodeLocateRequest(name: ObjectName): Buffer {
  return encodeBody(encodeObjectName(name));
}

/** Undefined when the body is no JSON string or no valid name. Any spelling of a name is that name. */
export function parseLocateRequest(body: Buffer): ObjectName | undefined {
  const encoded = decodeBody(body);
  if (encoded === undefined) return undefined;
  try {
    return decodeObjectName(encoded);
  } catch (error) {
    if (error instanceof GranaryError) return undefined;
    throw error;
  }
}

export interface LocateAnswer {
  address: string;
  here: boolean;
  /** The answering server and its boot, when it is one of ours. */
  serverId?: string;
  bootId?: string;
  /** Of its copy or, when not here, of its tombstone. Absent when it has neither. */
  stamp?: Stamp;
}

export function locateAnswerHeaders(
  { serverId, bootId }: Pick<ServerFacts, 'serverId' | 'bootId'>,
  here: boolean,
  stamp?: Stamp,
): MessageHeaders {
  return {
    [MESSAGE_HEADERS.protocol]: PROTOCOL_VERSION,
    [MESSAGE_HEADERS.serverId]: serverId,
    [MESSAGE_HEADERS.bootId]: bootId,
    [MESSAGE_HEADERS.answer]: here ? 'here' : 'not-here',
    ...(stamp === undefined ? {} : { [MESSAGE_HEADERS.stamp]: String(stamp) }),
  };
}

export function parseLocateAnswer(body: Buffer, headers: MessageHeaders): LocateAnswer | undefined {
  const address = decodeBody(body);
  if (address === undefined || !isServerAddress(address)) return undefined;
  if (headers[MESSAGE_HEADERS.protocol] === undefined) return { address, here: true };
  const serverId = identifier(headers[MESSAGE_HEADERS.serverId]);
  const bootId = identifier(headers[MESSAGE_HEADERS.bootId]);
  const answer = headers[MESSAGE_HEADERS.answer];
  if (serverId === undefined || bootId === undefined || (answer !== 'here' && answer !== 'not-here')) return undefined;
  const stamp = parseStamp(text(headers[MESSAGE_HEADERS.stamp], 16));
  return { address, here: answer === 'here', serverId, bootId, ...(stamp === undefined ? {} : { stamp }) };
}

/** `beat-now`: a server has just started and wants to know the others. `forget`: an operator says that this server is gone for good. */
export type ControlMessage = { kind: 'beat-now' } | { kind: 'forget'; serverId: string };

export function encodeControl(message: ControlMessage): Buffer {
  return encodeBody(message.kind === 'forget' ? `forget ${message.serverId}` : message.kind);
}

/** Undefined when it is nothing we know: a newer version may say more. */
export function parseControl(body: Buffer): ControlMessage | undefined {
  const command = decodeBody(body);
  if (command === 'beat-now') return { kind: 'beat-now' };
  const serverId = command?.startsWith('forget ') === true ? identifier(command.slice('forget '.length)) : undefined;
  return serverId === undefined ? undefined : { kind: 'forget', serverId };
}

function text(value: unknown, maxLength: number): string | undefined {
  return typeof value === 'string' && value.length <= maxLength ? value : undefined;
}

function identifier(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value) ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
