import { createBLAKE3 } from 'hash-wasm';

const blake3 = await createBLAKE3();

export interface ModelVersion {
  id: string;
  /** Undefined: a delete marker. */
  content: string | undefined;
}

/** One bucket that keeps versions, as plain lists: what a VersionedStore must amount to. */
export class VersionModel {
  /** By name, the newest first. */
  readonly #names = new Map<string, ModelVersion[]>();

  versions(name: string): readonly ModelVersion[] {
    return this.#names.get(name) ?? [];
  }

  /** The content of the current object. */
  current(name: string): string | undefined {
    return this.versions(name)[0]?.content;
  }

  etag(name: string): string | undefined {
    const content = this.current(name);
    return content === undefined ? undefined : etagOf(content);
  }

  add(name: string, id: string, content: string | undefined): void {
    this.#names.set(name, [{ id, content }, ...this.versions(name)]);
  }

  remove(name: string, id: string): void {
    this.#names.set(
      name,
      this.versions(name).filter(version => version.id !== id),
    );
  }
}

/** By another implementation than the store's. */
export function etagOf(content: string): string {
  return blake3.init().update(content).digest('hex');
}
