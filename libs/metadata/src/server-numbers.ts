import type { Engine } from './engine.js';
import type { ServerId } from './model/ids.js';
import { serverNumbers } from './schema/blob-layout.js';
import type { ServerRow } from './operations/upkeep.js';

/** The numbers under which layouts name data servers. They never change, so what was read once stays true. */
export class ServerNumbers {
  readonly #numbers = new Map<ServerId, number>();
  readonly #ids = new Map<number, ServerId>();

  constructor(private readonly engine: Engine) {}

  /** Gives numbers to servers that have none yet. */
  async of(servers: readonly ServerId[]): Promise<ReadonlyMap<ServerId, number>> {
    if (!servers.every(server => this.#numbers.has(server))) {
      this.#learn(await this.engine.change('registerServers', [...servers]));
    }
    return this.#numbers;
  }

  /** Prepares `idOf` for what these layouts name. */
  async learn(rows: readonly { layout: Uint8Array }[]): Promise<void> {
    for (const { layout } of rows) {
      if (!serverNumbers(layout).every(number => this.#ids.has(number))) return void (await this.refresh());
    }
  }

  async refresh(): Promise<readonly ServerId[]> {
    this.#learn(await this.engine.read('listServers', undefined));
    return [...this.#numbers.keys()];
  }

  readonly idOf = (number: number): ServerId => {
    const id = this.#ids.get(number);
    if (id === undefined) throw new Error(`a layout names server ${number}, which is not in the database`);
    return id;
  };

  #learn(rows: readonly ServerRow[]): void {
    for (const { number, id } of rows) {
      this.#numbers.set(id as ServerId, number);
      this.#ids.set(number, id as ServerId);
    }
  }
}
