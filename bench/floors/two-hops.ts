import { Agent, request as httpRequest, type RequestListener } from 'node:http';
import { pipeline } from 'node:stream';

/** A proxy on bare node:http: the agent and `pipeline`, as one would write it first. */
export function twoHops(upstream: string): RequestListener {
  const [host, port] = upstream.split(':');
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });

  return (request, response) => {
    const { method, url, headers } = request;
    const outgoing = httpRequest({ host, port, method, path: url, headers, agent });
    outgoing.once('response', answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, response, () => undefined);
    });
    outgoing.once('error', () => response.destroy());
    pipeline(request, outgoing, () => undefined);
  };
}
