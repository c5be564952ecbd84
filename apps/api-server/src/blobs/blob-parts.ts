import type { BlobServers } from './blob-servers.js';
import type { BlobSettings } from './blob-settings.js';
import type { ReportTrouble } from './blob-trouble.js';
import type { HotBlobs } from './read/hot-blobs.js';
import type { SlowServers } from './slow-servers.js';
import type { WriteRounds } from './write/write-rounds.js';

/** What reading and writing share. */
export interface BlobParts {
  servers: BlobServers;
  settings: BlobSettings;
  slow: SlowServers;
  rounds: WriteRounds;
  hot: HotBlobs;
  report: ReportTrouble;
}
