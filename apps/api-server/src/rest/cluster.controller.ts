import { Controller, Delete, Get, HttpCode, Inject, Param } from '@nestjs/common';
import { ROUTES, type Cluster } from '#contracts';
import { Membership } from '../cluster/membership.js';

/** The view, for people and their tools. */
@Controller(ROUTES.cluster)
export class ClusterController {
  constructor(@Inject(Membership) private readonly membership: Membership) {}

  @Get()
  describe(): Cluster {
    return this.membership.describe();
  }

  /** A missing server that will never come back: what it held is no longer waited for. */
  @Delete('servers/:id')
  @HttpCode(204)
  forget(@Param('id') id: string): Promise<void> {
    return this.membership.forget(id);
  }
}
