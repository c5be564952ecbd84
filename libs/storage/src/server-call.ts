/** A small request to another server of ours, with a small answer. */
export interface ServerCall {
  address: string;
  method: 'GET' | 'POST';
  path: string;
  /** JSON. */
  body?: string;
  /** For all of it. */
  deadlineMs: number;
  /** Of a longer answer the body counts as empty. */
  maxAnswerBytes: number;
}

export interface ServerAnswer {
  status: number;
  body: string;
}

/**
 * Rejects with DataServerUnavailable when nobody answers within the deadline, and, in a cluster with a
 * secret, when who answers does not show that it knows the secret.
 */
export type CallServer = (call: ServerCall) => Promise<ServerAnswer>;
