import { Controller, Get, Inject } from '@nestjs/common';
import { ROUTES, type Identity } from '#contracts';

export const IDENTITY = Symbol('IDENTITY');

/** Who answers here: API servers ask before they trust the heartbeat of a newcomer. */
@Controller()
export class IdentityController {
  constructor(@Inject(IDENTITY) private readonly identity: Identity) {}

  @Get(ROUTES.identity)
  identify(): Identity {
    return this.identity;
  }
}
