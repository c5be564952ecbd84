/** Signs requests to the servers of a cluster that has a secret, and tells who answers (docs/security.md). */
export interface RequestSigner {
  /** Whether requests to this server can be signed already. Until then `sign` asks for what is needed, and for nothing else. */
  knows(address: string): boolean;
  /** For one sending of one request. */
  sign(request: SignableRequest): RequestSignature;
}

export interface SignableRequest {
  address: string;
  method: string;
  /** Path and query as they are on the wire. */
  target: string;
  fields: readonly (readonly [name: string, value: string])[];
}

export interface RequestSignature {
  /** The value of Authorization. */
  readonly authorization: string;
  /**
   * To be asked of each answer, before anything of it is believed. `challenged`: the request was refused,
   * and will be taken if it is signed anew. `unproven`: nothing shows that a server of the cluster answered.
   */
  judge(status: number, header: (name: string) => string | undefined): 'proven' | 'challenged' | 'unproven';
}
