import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Membership } from '../cluster/membership.js';

/** HEARTBEAT_INTERVAL_MS. */
export const HEARTBEAT_INTERVAL = Symbol('HEARTBEAT_INTERVAL');
const LOOK_AROUND_MS = 1000;

/** The heartbeat, and the look around that keeps what it says true. The registry ends both with the application. */
@Injectable()
export class HeartbeatTask implements OnApplicationBootstrap {
  constructor(
    @Inject(Membership) private readonly membership: Membership,
    @Inject(HEARTBEAT_INTERVAL) private readonly intervalMs: number,
    @Inject(SchedulerRegistry) private readonly registry: SchedulerRegistry,
  ) {}

  onApplicationBootstrap(): void {
    this.#every(this.intervalMs, 'heartbeat', () => this.membership.beat());
    this.#every(Math.min(LOOK_AROUND_MS, this.intervalMs), 'look-around', () => this.membership.lookAround());
  }

  #every(intervalMs: number, name: string, task: () => Promise<void>): void {
    this.registry.addInterval(
      name,
      setInterval(() => void task(), intervalMs),
    );
  }
}
