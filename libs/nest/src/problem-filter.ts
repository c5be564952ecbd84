import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { GranaryError } from '#contracts';
import { endWithProblem, toGranaryError } from '#http';
import type { Logger } from '#telemetry';
import type { LeanExpressAdapter, RoutedRequest } from './lean-express-adapter.js';

/** Every error that leaves a controller, and every request that finds none, becomes problem+json. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly adapter: LeanExpressAdapter,
    private readonly logger: Logger,
  ) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<RoutedRequest>();
    const response = host.switchToHttp().getResponse<ServerResponse>();
    const error = exception instanceof HttpException ? this.fromHttp(exception, request) : toGranaryError(exception);
    endWithProblem(request, response, error, this.logger);
  }

  /** Nest's and Express' own refusals. */
  private fromHttp(exception: HttpException, request: RoutedRequest): GranaryError {
    const status = exception.getStatus();
    if (status === 404) return this.notFound(request);
    if (status < 500) return new GranaryError('request-malformed', exception.message, { cause: exception });
    return toGranaryError(exception);
  }

  private notFound(request: RoutedRequest): GranaryError {
    const allowed = this.adapter.methodsAt(request);
    if (allowed.length === 0) return new GranaryError('route-not-found', 'There is no such resource.');
    return new GranaryError('method-not-allowed', `${request.method} is not a method of this resource.`, {
      headers: { Allow: allowed.join(', ') },
    });
  }
}
