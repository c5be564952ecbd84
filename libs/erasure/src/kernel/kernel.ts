/** The most shards that one output is made from: the k of k+m. */
export const MAX_INPUTS = 32;
/** The most outputs of one call: the m of k+m. */
export const MAX_OUTPUTS = 16;

/** The inner loop of coding and decoding: a matrix over GF(2^8) times columns of bytes. */
export interface Kernel {
  /** For logs and reports. */
  readonly name: string;

  /**
   * Sets byte x of `outputs[r]` to the sum over i of `rows[r][i]` · byte x of `inputs[i]`, for every
   * byte that the output has. An input that ends before x counts as 0 there.
   *
   * At most MAX_OUTPUTS rows, each of as many coefficients as there are inputs, at most MAX_INPUTS.
   * Buffers may lie at any address and have any length, 0 too. No output may share memory with an
   * input or another output. Synchronous; keeps nothing of what it was given.
   */
  multiply(rows: readonly Uint8Array[], inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void;
}
