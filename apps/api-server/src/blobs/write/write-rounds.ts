import type { BlobId } from '#metadata';

/** How long a round holds back the next. Most are over sooner; one with a slow server in it must not hold up the others. */
const HELD_BACK_MS = 10;
/** How long a round waits for as many as the last one had. */
const GATHER_MS = 4;

interface Waiting {
  blobId: BlobId;
  /** Never rejects. */
  begin(leader: BlobId): Promise<void>;
}

/**
 * Tiny writes that come while others are on their way set out together when those are done, and to the same
 * servers: three servers are woken, and sync their disks, once for all of them. The first of a round leads it,
 * and goes where it would go alone, so that rounds are spread over the servers as single writes are. A round
 * waits a moment until it is as large as the last one was, since clients that were answered together come back
 * one after the other; a write alone, behind another that was alone, waits for nobody. No more writes wait than
 * requests are open, and none for longer than HELD_BACK_MS + GATHER_MS for each round before it.
 */
export class WriteRounds {
  private readonly waiting: Waiting[] = [];
  private isUnderWay = false;
  private lastSize = 1;
  private gathering: NodeJS.Timeout | undefined;

  /** `maxWrites`: those that go together at most. */
  constructor(private readonly maxWrites: number) {}

  /** Begins the write when its turn has come, with the blob that leads its round, and settles as it does. */
  join<T>(blobId: BlobId, write: (leader: BlobId) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin = async (leader: BlobId): Promise<void> => {
        try {
          resolve(await write(leader));
        } catch (error) {
          reject(error);
        }
      };
      this.waiting.push({ blobId, begin });
      this.startNext();
    });
  }

  private startNext(): void {
    if (this.isUnderWay || this.waiting.length === 0) return;
    if (this.waiting.length >= this.lastSize) this.begin();
    else this.gathering ??= setTimeout(this.begin, GATHER_MS);
  }

  private readonly begin = (): void => {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    this.isUnderWay = true;
    // Those of the same turn of the event loop go together.
    setImmediate(() => void this.run(this.waiting.splice(0, this.maxWrites)));
  };

  private async run(round: readonly Waiting[]): Promise<void> {
    const [leader] = round;
    this.lastSize = round.length;
    if (leader !== undefined) await doneOrLate(round.map(write => write.begin(leader.blobId)));
    this.isUnderWay = false;
    this.startNext();
  }
}

async function doneOrLate(writes: readonly Promise<void>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, HELD_BACK_MS);
  });
  await Promise.race([Promise.all(writes), late]);
  clearTimeout(timer);
}
