import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ROUTES, type Readiness } from '#contracts';

/** Says what is missing. It asks no other server, and is called every few seconds. */
export type ReadinessProbe = () => Readiness | Promise<Readiness>;
export const READINESS_PROBE = Symbol('READINESS_PROBE');

@Controller()
export class HealthController {
  constructor(@Inject(READINESS_PROBE) private readonly readiness: ReadinessProbe) {}

  @Get(ROUTES.healthLive)
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get(ROUTES.healthReady)
  async ready(@Res({ passthrough: true }) response: Response): Promise<Readiness> {
    const readiness = await this.readiness();
    response.status(readiness.status === 'unavailable' ? 503 : 200);
    return readiness;
  }
}
