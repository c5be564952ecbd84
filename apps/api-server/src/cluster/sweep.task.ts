import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Membership } from './membership.js';

/** Often enough for any SERVER_EXPIRY_MS of a second or more. */
const SWEEP_INTERVAL_MS = 250;

/** Lets silent servers leave the view, and has doubtful ones asked again. */
@Injectable()
export class SweepTask {
  constructor(@Inject(Membership) private readonly membership: Membership) {}

  @Interval(SWEEP_INTERVAL_MS)
  sweep(): void {
    this.membership.sweep();
  }
}
