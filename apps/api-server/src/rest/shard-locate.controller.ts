import type { ServerResponse } from 'node:http';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { encodeBody, GranaryError, ROUTES } from '#contracts';
import { objectNameOf, queryOf } from '#http';
import type { RoutedRequest } from '#nest';
import { Listings } from '../versions/listings.js';
import { sendArray, sendLines, wantsLines } from './send-entries.js';

/** Where the bytes of objects are. Stands where a plain cluster has LocateController. */
@Controller()
export class ShardLocateController {
  constructor(@Inject(Listings) private readonly listings: Listings) {}

  /** The address of one server with a shard, as a JSON string; with `?all` every shard and its server. */
  @Get(`${ROUTES.locate}:name`)
  async locate(@Req() request: RoutedRequest, @Res() response: ServerResponse): Promise<void> {
    const name = objectNameOf(request, ROUTES.locate);
    const query = queryOf(request.originalUrl);
    const version = query.get('version');
    if (version === '') throw new GranaryError('query-invalid', 'The parameter version is empty.');
    const all = query.get('all');
    if (all !== undefined && all !== 'false') {
      const shards = await this.listings.shardPages(name, version);
      await (wantsLines(request) ? sendLines : sendArray)(request, response, shards);
      return;
    }
    const body = encodeBody(await this.listings.locate(name, version));
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
  }
}
