/** The part of the WebAssembly JavaScript interface that is used here; its full types come only with those of a browser. */
declare namespace WebAssembly {
  class Memory {
    /** In pages of 64 KiB. Throws a RangeError where there is no address space for it. */
    constructor(size: { initial: number; maximum: number });
    readonly buffer: ArrayBuffer;
  }
}
