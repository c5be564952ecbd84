import type { ChangeArgs, ChangeName, ChangeResult, ReadArgs, ReadName, ReadResult } from './operations/index.js';

/**
 * A database that runs the operations: the part of MetadataStore in which the adapters differ. Rejects with
 * GranaryError as MetadataStore says.
 */
export interface Engine {
  /** One transaction, durable when it resolves; tried again where that helps and the deadline allows. */
  change<Name extends ChangeName>(name: Name, args: ChangeArgs<Name>): Promise<ChangeResult<Name>>;
  read<Name extends ReadName>(name: Name, args: ReadArgs<Name>): Promise<ReadResult<Name>>;
  /**
   * Another number after each commit, whoever made it; undefined when it cannot be told just now. Only where asking
   * is much cheaper than reading.
   */
  revision?(): number | undefined;
  close(): Promise<void>;
}

/** Nothing waits longer for a database. */
export const DEADLINE_MS = 2000;
