import { byteSize, DAY_MS, defaulted, durationSeconds, optional, type Kind } from '#config';
import { toRedundancy, type Redundancy } from '#metadata';

const redundancy: Kind<Redundancy> = {
  expected: 'single, copies:3, ec:4+2 or the like',
  parse(text) {
    try {
      return toRedundancy(text);
    } catch {
      return undefined;
    }
  },
};

const TEN_YEARS_SECONDS = (3650 * DAY_MS) / 1000;

/** What a full cluster adds beside METADATA_URL. */
export const fullClusterVariables = {
  redundancy: optional(
    redundancy,
    'How native objects are stored from now on: `single`, `copies:3`, `ec:4+2`. Kept in the database; it begins as `ec:4+2`.',
  ),
  segmentSizeBytes: defaulted(
    byteSize(2 ** 20, 2 ** 32),
    '64MiB',
    'Larger objects are cut into segments of this size, each stored redundantly by itself.',
  ),
  smallSegmentBytes: defaulted(
    byteSize(0, 2 ** 24),
    '128KiB',
    'Objects up to this size are kept as copies instead of being erasure-coded.',
  ),
  hotBlobCacheBytes: defaulted(
    byteSize(0, 2 ** 36),
    '32MiB',
    'Memory of each worker for objects up to 64 KiB that were read lately, so that they are read without their data servers. `0`: none.',
  ),
  blobGraceSeconds: defaulted(
    durationSeconds(1, TEN_YEARS_SECONDS),
    String(DAY_MS / 1000),
    'How long bytes that no version refers to any more are kept (default a day). Longer than any download takes. The same at all API servers.',
  ),
};
