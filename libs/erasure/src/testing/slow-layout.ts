/** The bytes of each data shard, dealt out one by one as docs/erasure.md says. */
export function slowDataShards(segment: Uint8Array, dataShards: number, unitBytes: number): Uint8Array[] {
  const shards = Array.from({ length: dataShards }, (): number[] => []);
  for (let start = 0; start < segment.length; start += dataShards * unitBytes) {
    const stripe = segment.subarray(start, start + dataShards * unitBytes);
    const isLast = start + dataShards * unitBytes >= segment.length;
    const unit = isLast ? Math.ceil(stripe.length / dataShards) : unitBytes;
    stripe.forEach((byte, at) => shards[Math.floor(at / unit)]?.push(byte));
  }
  return shards.map(shard => Uint8Array.from(shard));
}
