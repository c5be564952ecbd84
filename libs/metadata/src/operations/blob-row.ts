/** The columns that make a Blob. */
export const BLOB_COLUMNS = [
  'blobs.id as blob_id',
  'blobs.size as blob_size',
  'blobs.blake3',
  'blobs.sha256',
  'blobs.redundancy',
  'blobs.segment_bytes',
  'blobs.stored_bytes',
  'blobs.layout',
  'blobs.created_ms as blob_created_ms',
] as const;

export interface BlobRow {
  blob_id: string;
  blob_size: number;
  blake3: Uint8Array;
  sha256: Uint8Array | null;
  redundancy: string;
  segment_bytes: number;
  stored_bytes: number;
  layout: Uint8Array;
  blob_created_ms: number;
}

/** As a left join has it. */
export type MaybeBlobRow = { [Column in keyof BlobRow]: BlobRow[Column] | null };

export function hasBlob<Row extends MaybeBlobRow>(row: Row): row is Row & BlobRow {
  return row.blob_id !== null;
}
