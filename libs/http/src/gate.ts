import type { IncomingMessage, ServerResponse } from 'node:http';

/** Decides before anything else whether a request is let in. If not, it has answered; then it returns false. */
export type HttpGate = (req: IncomingMessage, res: ServerResponse) => boolean;
