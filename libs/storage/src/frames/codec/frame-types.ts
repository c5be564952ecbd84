/** A frame's header: payload length (u32), type (u8), zero (u8), exchange (u16). All numbers are big-endian. */
export const FRAME_HEADER_BYTES = 8;

/** No frame but `data` has a longer payload. */
export const MAX_HEAD_BYTES = 64 * 1024;

/** Of the payload of one `data` frame, which is never held whole. */
export const MAX_DATA_BYTES = 16 * 1024 * 1024;

/** Of the body of a `put`, which the receiver collects. Larger ones go by `create`. */
export const MAX_WHOLE_BYTES = 64 * 1024;

/** Of one `putAll`. What goes with its objects leaves room in a frame for the answer, which says it again. */
export const BATCH_LIMITS = { puts: 64, bytes: 256 * 1024, fieldBytes: 32 * 1024 } as const;

/** The types of frames (docs/protocol/frames.md). Numbers that are gone are never used again. */
export const FRAMES = {
  hello: 1,
  welcome: 2,
  goAway: 3,
  error: 4,
  data: 5,
  get: 16,
  stat: 17,
  put: 18,
  create: 19,
  commit: 20,
  remove: 21,
  list: 22,
  ping: 23,
  alive: 24,
  putAll: 25,
  found: 32,
  notFound: 33,
  described: 34,
  stored: 35,
  proceed: 36,
  removed: 37,
  entries: 38,
  end: 39,
  pong: 40,
  sum: 41,
  outcomes: 42,
} as const;

export type FrameType = (typeof FRAMES)[keyof typeof FRAMES];

const KNOWN: ReadonlySet<number> = new Set(Object.values(FRAMES));

export function isFrameType(type: number): type is FrameType {
  return KNOWN.has(type);
}

/** Which of a data server's stores a request means. */
export const SPACES = { objects: 0, shards: 1 } as const;
export type Space = keyof typeof SPACES;

/** What the other side sent is no frame of this protocol, or not one that belongs here. */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}
