import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDirectory } from './temp-directory.js';
import { requireRoot, requireTool } from './tools.js';
import { waitUntil } from './wait-until.js';

const run = promisify(execFile);

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: the file system stops at once, as its disk would at a power cut. Node has no ioctl. */
const SHUTDOWN = `
import fcntl, os, struct, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(descriptor, 0x8004587D, struct.pack('I', 2))
`;

/** An ext4 file system in a file, on a loop device, whose power a test can cut. Needs root. */
export class LoopVolume {
  private constructor(
    private readonly image: string,
    readonly path: string,
    private readonly python: string,
  ) {}

  static async create(sizeMiB: number): Promise<LoopVolume> {
    requireRoot('a loop-mounted file system');
    const directory = tempDirectory('volume');
    const [image, path] = [join(directory, 'image'), join(directory, 'mounted')];
    writeFileSync(image, '');
    truncateSync(image, sizeMiB * 1024 * 1024);
    mkdirSync(path);
    await run(await requireTool('mkfs.ext4'), ['-q', '-F', image]);
    await requireTool('losetup');
    const volume = new LoopVolume(image, path, await requireTool('python3'));
    await volume.mount();
    return volume;
  }

  /** Nothing that was not yet on the disk will be there after `remount`; every call on its files fails from now on. */
  async cutPower(): Promise<void> {
    await run(this.python, ['-c', SHUTDOWN, this.path]);
  }

  /** Whoever had files open must have ended. The journal is replayed, as after a power cut. */
  async remount(): Promise<void> {
    await this.unmount();
    await this.mount();
  }

  async destroy(): Promise<void> {
    await this.unmount();
    rmSync(this.image, { force: true });
  }

  private async mount(): Promise<void> {
    await run('mount', ['-o', 'loop', this.image, this.path]);
  }

  private async unmount(): Promise<void> {
    await waitUntil(`${this.path} is unmounted`, 10_000, async () => {
      await run('umount', [this.path]);
      return true;
    });
  }
}
