import type { Socket } from 'node:net';
import type { GranaryError } from '#contracts';
import { MAX_WHOLE_BYTES } from '../codec/frame-types.js';
import type { FrameEndpointOptions, SessionOptions } from './endpoint-options.js';
import { FrameSession } from './frame-session.js';

/** Serves the stores of a data server over frames, on connections that HTTP has handed over (docs/protocol/frames.md). */
export class FrameEndpoint {
  private readonly options: SessionOptions;

  constructor(options: FrameEndpointOptions) {
    this.options = {
      ...options,
      stallTimeoutMs: options.stallTimeoutMs ?? 30_000,
      handshakeTimeoutMs: options.handshakeTimeoutMs ?? 5_000,
      idleTimeoutMs: options.idleTimeoutMs ?? 65_000,
      maxWholeBytes: options.maxWholeBytes ?? MAX_WHOLE_BYTES,
    };
  }

  /** Why a connection that comes now is not taken over, if so. */
  refusal(): GranaryError | undefined {
    return this.options.refusal?.();
  }

  /** Answers the request to upgrade, and serves the connection until it ends. `head`: what came behind the request. */
  accept(socket: Socket, head: Buffer): FrameSession {
    return new FrameSession(socket, head, this.options);
  }
}
