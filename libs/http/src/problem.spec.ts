import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import { createServer as createTlsServer, get as getOverTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { GranaryError } from '#contracts';
import { silentLogger } from '#telemetry';
import { endWithProblem } from './problem.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const certificate = (() => {
  const directory = mkdtempSync(join(tmpdir(), 'granary-problem-'));
  const [keyPath, certPath] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath];
  execFileSync('openssl', ['req', '-x509', ...key, '-subj', '/CN=test', '-days', '2', '-out', certPath], {
    stdio: 'pipe',
  });
  const pems = { key: readFileSync(keyPath, 'utf8'), cert: readFileSync(certPath, 'utf8') };
  rmSync(directory, { recursive: true });
  return pems;
})();

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a problem in the middle of an answer', () => {
  const damaged = new GranaryError('object-damaged', 'Block 3 is damaged.');

  it.each(['http', 'https'])('breaks the connection of %s', async scheme => {
    const server = scheme === 'http' ? createServer() : createTlsServer(certificate);
    const ended = new Promise<void>((resolve, reject) => {
      server.on('request', (req, res) => {
        const end = (): void => endWithProblem(req, res, damaged, silentLogger);
        res.writeHead(200, { 'Content-Length': '100' });
        res.write('part', () => {
          try {
            resolve(end());
          } catch (error) {
            reject(error);
          }
        });
      });
    });
    const port = await portOf(server);
    const options = { host: '127.0.0.1', port, agent: false };
    const request = scheme === 'http' ? get(options) : getOverTls({ ...options, rejectUnauthorized: false });
    const response = (await once(request, 'response'))[0] as NodeJS.ReadableStream;
    response.resume();
    await Promise.all([ended, expect(once(response, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' })]);
  });
});
