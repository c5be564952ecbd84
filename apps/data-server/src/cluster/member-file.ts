import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { KnownServer } from '#cluster';
import type { Logger } from '#telemetry';
import { replaceFile } from './replace-file.js';

const memberFileShape = z.object({
  servers: z.array(z.object({ serverId: z.string(), address: z.string(), lastSeenAtMs: z.number() })),
});

/**
 * Which servers belong to the cluster, kept in the storage directory: what a server that does not
 * come back held must not look like "not found" after this one was restarted.
 */
export class MemberFile {
  #saved = '';
  #saving: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly logger: Logger,
  ) {}

  /** A file that cannot be read is as good as none: the members are learned anew as they beat. */
  async load(): Promise<KnownServer[]> {
    try {
      const text = await readFile(this.path, 'utf8');
      return memberFileShape.parse(JSON.parse(text)).servers;
    } catch (error) {
      if (!isMissing(error)) this.logger.warn({ err: error, path: this.path }, 'the list of members cannot be read');
      return [];
    }
  }

  /** Saves if something that matters is different. Never rejects. */
  save(servers: readonly KnownServer[]): Promise<void> {
    const digest = servers.map(digestOf).toSorted().join(' ');
    if (digest === this.#saved) return this.#saving;
    this.#saved = digest;
    this.#saving = this.#saving.then(() => this.#write(servers));
    return this.#saving;
  }

  async #write(servers: readonly KnownServer[]): Promise<void> {
    try {
      await replaceFile(this.path, `${JSON.stringify({ servers }, undefined, 2)}\n`);
    } catch (error) {
      this.#saved = '';
      this.logger.warn({ err: error, path: this.path }, 'the list of members cannot be saved');
    }
  }
}

const HOUR_MS = 3_600_000;

/** When a server was last seen matters to the hour: it is forgotten after days. */
function digestOf({ serverId, address, lastSeenAtMs }: KnownServer): string {
  return `${serverId}@${address}@${Math.floor(lastSeenAtMs / HOUR_MS)}`;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
