import type { Versioning } from '../model/bucket.js';
import { NULL_VERSION, type VersionId } from '../model/ids.js';
import { compareKeys } from '../operations/key-order.js';

interface ModelVersion {
  id: VersionId;
  /** Undefined: a delete marker. */
  content: string | undefined;
}

/** One bucket as plain lists: what a MetadataStore must amount to. Content is its own entity tag, and its length its size. */
export class ReferenceModel {
  /** By key, the newest first. */
  readonly #keys = new Map<string, ModelVersion[]>();
  /** Content that is stored, referenced or not. */
  readonly #stored = new Set<string>();

  constructor(private readonly versioning: Versioning) {}

  /** Whether the content was stored already. */
  put(key: string, content: string, id: VersionId): boolean {
    const known = this.#stored.has(content);
    this.#stored.add(content);
    this.#add(key, { id, content });
    return known;
  }

  remove(key: string, marker: VersionId | undefined): void {
    if (this.versioning === 'never') this.#keys.delete(key);
    else this.#add(key, { id: marker ?? NULL_VERSION, content: undefined });
  }

  removeVersion(key: string, id: VersionId): 'object' | 'delete-marker' {
    const removed = this.#of(key).find(version => version.id === id);
    this.#keys.set(
      key,
      this.#of(key).filter(version => version !== removed),
    );
    return removed?.content === undefined ? 'delete-marker' : 'object';
  }

  sweep(): void {
    const referenced = new Set(this.#all().map(({ content }) => content));
    for (const content of this.#stored) if (!referenced.has(content)) this.#stored.delete(content);
  }

  current(key: string): string | undefined {
    const [newest] = this.#of(key);
    return newest === undefined ? undefined : (newest.content ?? 'deleted');
  }

  versions(key: string): VersionId[] {
    return this.#of(key).map(({ id }) => id);
  }

  versionAt(key: string, index: number): VersionId | undefined {
    return this.#of(key)[index]?.id;
  }

  keys(): string[] {
    return [...this.#keys.keys()].filter(key => ![undefined, 'deleted'].includes(this.current(key))).sort(compareKeys);
  }

  stats() {
    const objects = this.#all().flatMap(({ content }) => content ?? []);
    return {
      objects: this.keys().length,
      versions: objects.length,
      deleteMarkers: this.#all().length - objects.length,
      logicalBytes: sizes(objects),
      blobs: this.#stored.size,
      blobBytes: sizes(this.#stored),
      storedBytes: 3 * sizes(this.#stored),
      deduplicatedBytes: sizes(objects) - sizes(new Set(objects)),
      unreferencedBytes: sizes(this.#stored) - sizes(new Set(objects)),
    };
  }

  #add(key: string, version: ModelVersion): void {
    const kept = this.#of(key).filter(({ id }) => this.versioning === 'enabled' || id !== NULL_VERSION);
    this.#keys.set(key, [version, ...kept]);
  }

  #of(key: string): ModelVersion[] {
    return this.#keys.get(key) ?? [];
  }

  #all(): ModelVersion[] {
    return [...this.#keys.values()].flat();
  }
}

function sizes(contents: Iterable<string>): number {
  return [...contents].reduce((sum, { length }) => sum + length, 0);
}
