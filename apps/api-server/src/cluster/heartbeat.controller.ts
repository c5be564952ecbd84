import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { EXCHANGES } from '#contracts';
import type { IncomingMessage } from '#mq';
import { Membership } from './membership.js';

/** What an API server hears on the bus. */
@Controller()
export class HeartbeatController {
  constructor(@Inject(Membership) private readonly membership: Membership) {}

  @EventPattern(EXCHANGES.apiServers)
  hearBeat(@Payload() message: IncomingMessage): void {
    this.membership.hearBeat(message);
  }

  @EventPattern(EXCHANGES.control)
  hearControl(@Payload() message: IncomingMessage): void {
    this.membership.hearControl(message);
  }
}
