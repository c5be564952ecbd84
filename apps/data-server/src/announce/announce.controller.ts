import { Controller, Inject } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { EXCHANGES } from '#contracts';
import type { IncomingMessage, OutgoingMessage } from '#mq';
import { Membership } from '../cluster/membership.js';

/** What a data server hears on the bus. */
@Controller()
export class AnnounceController {
  constructor(@Inject(Membership) private readonly membership: Membership) {}

  @EventPattern(EXCHANGES.apiServers)
  hearBeat(@Payload() message: IncomingMessage): void {
    this.membership.hearBeat(message);
  }

  @EventPattern(EXCHANGES.control)
  hearControl(@Payload() message: IncomingMessage): void {
    this.membership.hearControl(message);
  }

  /** Returns the answer; undefined is silence. */
  @MessagePattern(EXCHANGES.dataServers)
  locate(@Payload() request: IncomingMessage): OutgoingMessage | undefined {
    return this.membership.answerLocate(request);
  }
}
