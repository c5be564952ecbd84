import type { ServerResponse } from 'node:http';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { GranaryError, ROUTES } from '#contracts';
import { objectNameOf } from '#http';
import type { RoutedRequest } from '#nest';
import { Listings } from '../versions/listings.js';
import { listingQuery } from './listing-query.js';
import { sendJson, sendLines, wantsLines } from './send-entries.js';

/** Listings of names and of versions: a page of JSON with a cursor, or all of them as lines. */
@Controller()
export class ListingController {
  constructor(@Inject(Listings) private readonly listings: Listings) {}

  @Get(ROUTES.listing)
  async objects(@Req() request: RoutedRequest, @Res() response: ServerResponse): Promise<void> {
    const isPaged = !wantsLines(request);
    const query = listingQuery(request.originalUrl, ['prefix', 'delimiter', 'after', 'cursor', 'limit'], { isPaged });
    if (isPaged) sendJson(response, await this.listings.objects(query));
    else await sendLines(request, response, this.listings.objectPages(query));
  }

  @Get(ROUTES.allVersions)
  async versions(@Req() request: RoutedRequest, @Res() response: ServerResponse): Promise<void> {
    const isPaged = !wantsLines(request);
    const parameters = ['prefix', 'delimiter', 'after', 'cursor', 'limit'] as const;
    const { after, ...query } = listingQuery(request.originalUrl, parameters, { isPaged });
    const listing = { ...query, ...(after !== undefined && { after: { key: after } }) };
    if (isPaged) sendJson(response, await this.listings.versions(listing));
    else await sendLines(request, response, this.listings.versionPages(listing));
  }

  /** 404 for a name that never had a version. */
  @Get(`${ROUTES.versions}:name`)
  async versionsOf(@Req() request: RoutedRequest, @Res() response: ServerResponse): Promise<void> {
    const key = objectNameOf(request, ROUTES.versions);
    const isPaged = !wantsLines(request);
    const query = listingQuery(request.originalUrl, ['cursor', 'limit'], { isPaged });
    const first = await this.listings.versions({ ...query, key, ...(!isPaged && { limit: 1 }) });
    if (first.versions.length === 0 && query.cursor === undefined) {
      throw new GranaryError('object-not-found', `"${key}" has no version.`);
    }
    if (isPaged) sendJson(response, first);
    else await sendLines(request, response, this.listings.versionPages({ ...query, key }));
  }
}
