import { Controller, Get, Inject } from '@nestjs/common';
import { ROUTES, type StatsBody } from '#contracts';
import { Listings } from '../versions/listings.js';

@Controller(ROUTES.stats)
export class StatsController {
  constructor(@Inject(Listings) private readonly listings: Listings) {}

  /** What is stored, what de-duplication saves and what redundancy costs. */
  @Get()
  stats(): Promise<StatsBody> {
    return this.listings.stats();
  }
}
