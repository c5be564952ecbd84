import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ROUTES } from '#contracts';
import { METRICS_CONTENT_TYPE } from '#telemetry';

/** The metrics of this server in the Prometheus text format. */
export type MetricsText = () => Promise<string>;
export const METRICS_TEXT = Symbol('METRICS_TEXT');

@Controller()
export class MetricsController {
  constructor(@Inject(METRICS_TEXT) private readonly text: MetricsText) {}

  @Get(ROUTES.metrics)
  @Header('Content-Type', METRICS_CONTENT_TYPE)
  metrics(): Promise<string> {
    return this.text();
  }
}
