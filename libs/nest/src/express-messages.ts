import { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express } from 'express';

/**
 * The message classes for the server that an Express app answers. Express changes the prototype of
 * every request and response to its own, which makes each later property access slow (four fifths of
 * the CPU of a small GET). Messages of these classes have that prototype from their birth, and
 * setting it again does nothing.
 */
export function expressMessages(app: Express) {
  class ExpressRequest extends IncomingMessage {}
  class ExpressResponse extends ServerResponse {}
  app.request = adopt(ExpressRequest.prototype, express.request, app);
  app.response = adopt(ExpressResponse.prototype, express.response, app);
  return { IncomingMessage: ExpressRequest, ServerResponse: ExpressResponse };
}

/** Makes `own` what `express()` makes of its request and response prototypes. */
function adopt<T extends object>(own: object, expressPrototype: T, app: Express): T {
  Object.setPrototypeOf(own, expressPrototype);
  Object.defineProperty(own, 'app', { value: app, configurable: true, enumerable: true, writable: true });
  return own as T;
}
