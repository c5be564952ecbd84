import type { ServerResponse } from 'node:http';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { encodeBody, GranaryError, ROUTES, type ObjectName } from '#contracts';
import { objectNameOf } from '#http';
import type { RoutedRequest } from './lean-express-adapter.js';

/** Says where objects are. Rejects with `data-server-unavailable` when it cannot tell. */
export interface ObjectLocator {
  /** `host:port` of a data server that has the object. */
  locate(name: ObjectName): Promise<string | undefined>;
  /** Of every one. */
  locateAll(name: ObjectName): Promise<readonly string[]>;
}
export const OBJECT_LOCATOR = Symbol('OBJECT_LOCATOR');

@Controller()
export class LocateController {
  constructor(@Inject(OBJECT_LOCATOR) private readonly locator: ObjectLocator) {}

  /** One address as a JSON string; with `?all` a list; 404 when no server has it. */
  @Get('locate/:name')
  async locate(@Req() request: RoutedRequest, @Res() response: ServerResponse): Promise<void> {
    const name = objectNameOf(request, ROUTES.locate);
    const all = new URLSearchParams(request.originalUrl.split('?')[1]).get('all');
    const isAll = all !== null && all !== 'false';
    const addresses = isAll ? await this.locator.locateAll(name) : [await this.locator.locate(name)];
    if (addresses[0] === undefined) throw new GranaryError('object-not-found', 'No data server has this object.');
    const body = isAll ? Buffer.from(JSON.stringify(addresses)) : encodeBody(addresses[0]);
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
  }
}
