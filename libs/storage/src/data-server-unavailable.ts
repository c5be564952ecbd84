import { GranaryError } from '#contracts';

/**
 * `unreachable`: no connection could be had, so nothing was sent. `closed`, `timeout`, `malformed`: the
 * exchange broke off. `answer`: it answered what no data server should. `changed`: the object that was
 * being read has been replaced or removed meanwhile. `unauthorized`: it and we do not share the secret of
 * a cluster.
 */
export type UnavailableReason =
  'unreachable' | 'closed' | 'timeout' | 'malformed' | 'answer' | 'changed' | 'unauthorized';

export interface UnavailableOptions {
  /** See DataServerUnavailable. */
  mayHaveHappened?: boolean;
  cause?: unknown;
}

export class DataServerUnavailable extends GranaryError {
  /**
   * False: the server has not done what was asked, and never will, so another may be tried. True: it had
   * the whole request, so a write may have happened, or may yet.
   */
  readonly mayHaveHappened: boolean;

  constructor(
    readonly address: string,
    readonly reason: UnavailableReason,
    detail: string,
    { mayHaveHappened = false, cause }: UnavailableOptions = {},
  ) {
    super('data-server-unavailable', `Data server ${address} ${detail}.`, { cause, headers: { 'Retry-After': '1' } });
    this.mayHaveHappened = mayHaveHappened;
  }
}
