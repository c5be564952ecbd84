/**
 * How many bytes each shard has in the columns that are coded together. A column is the bytes at one
 * offset of all k+m shards; where a data shard has ended its byte counts as 0, so that no padding is
 * stored or sent.
 */
export interface ColumnShape {
  /** Columns, which is the length of every parity shard. */
  readonly widthBytes: number;
  /** Of each of the k data shards, at most `widthBytes`. */
  readonly dataBytes: readonly number[];
}
