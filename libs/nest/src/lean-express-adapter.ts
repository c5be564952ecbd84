import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { NestApplicationOptions } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import express, { type Express } from 'express';
import { REQUEST_ID_HEADER, ROUTES } from '#contracts';
import {
  checkRequest,
  HTTP_SERVER_OPTIONS,
  requestIdOf,
  sendProblem,
  toGranaryError,
  type HttpGate,
  type HttpHandler,
} from '#http';
import { expressMessages } from './express-messages.js';
import { toRouterUrl, withoutOrigin } from './router-url.js';

export type RoutedRequest = IncomingMessage & { originalUrl: string; route?: { path: string } };

/** As long as for a head. */
const HANDSHAKE_TIMEOUT_MS = HTTP_SERVER_OPTIONS.headersTimeout;

/** Called at the end of each answer but those of objects, whose endpoint measures itself. */
export type ObserveRequest = (route: string, method: string, status: number, seconds: number) => void;

/**
 * Nest on Express at about one and a half times the CPU of plain node:http, where the stock adapter
 * needs six times as much; and with routes that take the names of objects as they are.
 */
export class LeanExpressAdapter extends ExpressAdapter {
  private readonly app: Express;
  private answerObject: HttpHandler | undefined;
  private gate: HttpGate | undefined;

  constructor(private readonly observe: ObserveRequest) {
    const app = express().disable('x-powered-by').disable('etag').set('query parser', 'simple');
    super(app);
    this.app = app;
  }

  /** Requests for objects go to this handler before the router sees them, which would double the CPU of a small one. */
  serveObjects(handler: HttpHandler): void {
    this.answerObject = handler;
  }

  /** Every request passes it first. */
  guard(gate: HttpGate): void {
    this.gate = gate;
  }

  override initHttpServer({ httpsOptions }: NestApplicationOptions): void {
    const options = { ...HTTP_SERVER_OPTIONS, ...expressMessages(this.app) };
    this.httpServer =
      httpsOptions === undefined
        ? createServer(options, this.dispatch)
        : createTlsServer({ ...options, ...httpsOptions, handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, this.dispatch);
  }

  /** What the routes answer at this request's path, whatever its own method. */
  methodsAt(request: RoutedRequest): string[] {
    const path = toRouterUrl(request.originalUrl).replace(/\?.*$/s, '');
    const methods = new Set<string>();
    for (const layer of this.app.router.stack) {
      if (layer.route === undefined || !isMatch(layer.route.path, path)) continue;
      for (const { method } of layer.route.stack) methods.add(method.toUpperCase());
    }
    if (methods.has('GET')) methods.add('HEAD');
    return [...methods];
  }

  private readonly dispatch = (incoming: IncomingMessage, response: ServerResponse): void => {
    if (this.gate?.(incoming, response) === false) return;
    const originalUrl = withoutOrigin(incoming.url ?? '/');
    if (this.answerObject !== undefined && originalUrl.startsWith(ROUTES.objects)) {
      void this.answerObject(incoming, response);
      return;
    }
    const request: RoutedRequest = Object.assign(incoming, { originalUrl });
    request.url = toRouterUrl(originalUrl);
    if (this.prepare(request, response)) this.app(request as express.Request, response as express.Response);
  };

  /** What the endpoint of objects does for itself. False when the request has been refused. */
  private prepare(request: RoutedRequest, response: ServerResponse): boolean {
    const startedMs = performance.now();
    response.once('close', () => {
      const seconds = (performance.now() - startedMs) / 1000;
      this.observe(request.route?.path ?? 'none', request.method ?? '', response.statusCode, seconds);
    });
    try {
      checkRequest(request);
    } catch (error) {
      sendProblem(request, response, toGranaryError(error));
      return false;
    }
    response.setHeader(REQUEST_ID_HEADER, requestIdOf(request));
    return true;
  }
}

/** Routes of ours are plain segments and `:parameters`. */
function isMatch(route: string, path: string): boolean {
  return new RegExp(`^${route.replace(/:\w+/g, '[^/]+')}/?$`, 'i').test(path);
}
