import type { Provider, Type } from '@nestjs/common';
import type { ObjectStore } from '#http';
import type { Dependency } from '#nest';

/** What an API server serves under /objects, and what goes with it: the plain cluster's, or the full one's. */
export interface ServedObjects {
  store: ObjectStore;
  /** Whether `store` passes on bytes whose checksum nobody has compared yet. */
  isRelayed: boolean;
  controllers: readonly Type[];
  providers: readonly Provider[];
  /** What it depends on beside the broker and the data servers. */
  dependencies: () => Promise<readonly Dependency[]>;
}
