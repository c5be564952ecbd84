import type { IncomingMessage } from 'node:http';
import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { GranaryError, ROUTES, reconcileRequestShape, type ReconcileAnswer } from '#contracts';
import { Membership } from '../cluster/membership.js';
import { readJson } from './read-json.js';

@Controller()
export class ReconcileController {
  constructor(@Inject(Membership) private readonly membership: Membership) {}

  @Post(ROUTES.reconcile)
  @HttpCode(200)
  async reconcile(@Req() request: IncomingMessage): Promise<ReconcileAnswer> {
    const { success, data } = reconcileRequestShape.safeParse(await readJson(request));
    if (!success) throw new GranaryError('request-malformed', 'The body is no reconcile request.');
    return this.membership.reconcile(data);
  }
}
