import type { ObjectName } from '#contracts';
import type { BucketName } from './model/ids.js';
import type { ObjectVersion, Version } from './model/version.js';

/** Some megabytes; ten or twenty where clients send as many headers and as long names as they may. */
const MAX_VERSIONS = 4096;
/** Versions made of many parts, or of a blob with many shards, are large, and their bytes dear to read anyway. */
const MAX_BLOBS = 1;
const MAX_SHARDS = 64;

/**
 * Current versions as they were found since the last commit of anybody. `revisionNow` changes with each commit;
 * undefined while it cannot be told, and then nothing is kept.
 */
export class FoundVersions {
  readonly #versions = new Map<string, Version>();
  #revision: number | undefined;

  constructor(private readonly revisionNow: () => number | undefined) {}

  /** Looks up what is not known, or may have changed. Rejects as `lookUp` does. */
  async find(
    bucket: BucketName,
    key: ObjectName,
    lookUp: () => Promise<Version | undefined>,
  ): Promise<Version | undefined> {
    const revision = this.#refresh();
    if (revision === undefined) return lookUp();
    const name = `${bucket}/${key}`;
    const known = this.#versions.get(name);
    if (known !== undefined) return known;
    const found = await lookUp();
    // Of another revision, when somebody asked for it meanwhile: what was found may be older than that.
    if (found !== undefined && revision === this.#revision) this.#keep(name, found);
    return found;
  }

  #refresh(): number | undefined {
    const revision = this.revisionNow();
    if (revision !== this.#revision) this.#versions.clear();
    this.#revision = revision;
    return revision;
  }

  #keep(name: string, version: Version): void {
    if (version.kind === 'object' && isLarge(version)) return;
    if (this.#versions.size >= MAX_VERSIONS) this.#versions.clear();
    this.#versions.set(name, version);
  }
}

function isLarge({ blobs }: ObjectVersion): boolean {
  return blobs.length > MAX_BLOBS || blobs.some(({ layout }) => layout.shards.length > MAX_SHARDS);
}
