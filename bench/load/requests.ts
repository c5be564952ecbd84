import { randomBytes } from 'node:crypto';
import type { Target } from '../target.js';
import type { OutgoingRequest } from './http-connection.js';

/** Every body begins with its own name, so that no two are alike; the rest is shared and never compressible. */
const NAME_PREFIX_BYTES = 128;
const filler = randomBytes(64 * 1024 * 1024);

export function putRequest(target: Target, name: string, sizeBytes: number): OutgoingRequest {
  const prefix = Buffer.alloc(Math.min(NAME_PREFIX_BYTES, sizeBytes));
  prefix.write(name, 'latin1');
  return {
    head: head('PUT', target, `/objects/${name}`, `Content-Length: ${sizeBytes}\r\n`),
    body: [prefix, filler.subarray(prefix.length, sizeBytes)],
  };
}

export function getRequest(target: Target, name: string): OutgoingRequest {
  return { head: head('GET', target, `/objects/${name}`) };
}

export function deleteRequest(target: Target, name: string): OutgoingRequest {
  return { head: head('DELETE', target, `/objects/${name}`) };
}

export function locateRequest(target: Target, name: string): OutgoingRequest {
  return { head: head('GET', target, `/locate/${name}`) };
}

function head(method: string, target: Target, path: string, headers = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ${target.host}:${target.port}\r\n${headers}\r\n`;
}
