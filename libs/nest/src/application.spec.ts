import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Controller, Get, Module, type INestApplication } from '@nestjs/common';
import supertest from 'supertest';
import { GranaryError, ROUTES, type ObjectName } from '#contracts';
import { objectNameOf, type HttpHandler, sendProblem, toGranaryError } from '#http';
import { Metrics, silentLogger } from '#telemetry';
import {
  createApplication,
  HealthController,
  listen,
  LocateController,
  METRICS_TEXT,
  MetricsController,
  OBJECT_ENDPOINT,
  OBJECT_LOCATOR,
  READINESS_PROBE,
  readinessOf,
  type ObjectLocator,
} from './index.js';

/** Answers with what it took for the name. */
const echoName: HttpHandler = async (request, response) => {
  try {
    response.end(JSON.stringify([request.method, objectNameOf(request, ROUTES.objects)]));
  } catch (error) {
    sendProblem(request, response, toGranaryError(error));
  }
};

const locator: ObjectLocator = {
  locate: async name => (name === ('here' as ObjectName) ? '127.0.1.1:12345' : undefined),
  locateAll: async name => (name === ('here' as ObjectName) ? ['127.0.1.1:12345', '127.0.1.2:12345'] : []),
};

@Controller()
class FailingController {
  @Get('fail')
  fail(): never {
    throw new Error('the stack of this must not be seen');
  }

  @Get('refuse')
  refuse(): never {
    throw new GranaryError('overloaded', 'too much', { headers: { 'Retry-After': '7' } });
  }
}

@Module({})
class TestModule {}

const metrics = new Metrics();
let broker: string | undefined;
let app: INestApplication<Server>;
let address: string;

beforeAll(async () => {
  const module = {
    module: TestModule,
    controllers: [LocateController, HealthController, MetricsController, FailingController],
    providers: [
      { provide: OBJECT_ENDPOINT, useValue: echoName },
      { provide: OBJECT_LOCATOR, useValue: locator },
      { provide: METRICS_TEXT, useValue: () => metrics.text() },
      {
        provide: READINESS_PROBE,
        useValue: () =>
          readinessOf([
            { name: 'storage', missing: undefined, isVital: true },
            { name: 'broker', missing: broker, isVital: false },
          ]),
      },
    ],
  };
  app = await createApplication(module, {
    program: 'data-server',
    logger: silentLogger,
    metrics,
    stallTimeoutMs: 30_000,
    maxConnections: 100,
  });
  address = await listen(app, { host: '127.0.0.1', port: 0 });
});
afterAll(() => app.close());

const http = () => supertest(app.getHttpServer());

/** The request target exactly as given, which no HTTP client lets through. */
async function rawRequest(target: string, method = 'GET'): Promise<string> {
  const [host, port] = address.split(':');
  const socket = connect(Number(port), host);
  socket.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  return text(socket);
}

describe('routes of objects', () => {
  it.each([
    ['/objects/a', 'a'],
    ['/objects/a/b', 'a/b'],
    ['/objects//a//', '/a//'],
    ['/objects/../../etc/passwd', '../../etc/passwd'],
    ['/objects/%2e%2e/%2Fx', '..//x'],
    ['/objects/a?all&b=1', 'a'],
    ['/objects/%D1%86%20', 'ц '],
    ['http://elsewhere/objects/a', 'a'],
    [`/objects/${'n'.repeat(1024)}`, 'n'.repeat(1024)],
  ])('takes %s as it is', async (target, name) => {
    expect(await rawRequest(target)).toContain(JSON.stringify(['GET', name]));
  });

  it('passes every method on', async () => {
    expect(await rawRequest('/objects/x', 'PATCH')).toContain('["PATCH","x"]');
    expect(await rawRequest('/objects/x', 'OPTIONS')).toContain('["OPTIONS","x"]');
  });

  it.each(['/objects/%', '/objects/%FF', '/objects/', '/locate/%E0%A4%A'])(
    'refuses %s in its own words',
    async target => {
      const response = await rawRequest(target);
      expect(response).toMatch(/^HTTP\/1\.1 400 /);
      expect(response).toContain('"code":"name-invalid"');
    },
  );
});

describe('everything else', () => {
  it('is 404 for unknown routes', async () => {
    const response = await http().get('/nowhere').set('X-Request-Id', 'r-1').expect(404);
    expect(response.headers).toMatchObject({ 'content-type': 'application/problem+json', 'x-request-id': 'r-1' });
    expect(JSON.parse(response.text)).toMatchObject({ code: 'route-not-found', requestId: 'r-1' });
    await http().get('/objects').expect(404);
  });

  it.each([
    ['post', '/health/live'],
    ['options', '/health/ready'],
    ['put', '/locate/here'],
    ['delete', '/metrics'],
  ] as const)('is 405 for %s %s', async (method, path) => {
    const response = await http()[method](path).expect(405);
    expect(response.headers['allow']).toBe('GET, HEAD');
    expect(JSON.parse(response.text)).toMatchObject({ code: 'method-not-allowed' });
  });

  it('is 500 without a stack for errors that nobody expected', async () => {
    const response = await http().get('/fail').expect(500);
    expect(JSON.parse(response.text)).toMatchObject({ code: 'internal-error' });
    expect(response.text).not.toContain('stack');
  });

  it('answers the refusals of operations', async () => {
    const response = await http().get('/refuse').expect(503).expect('Retry-After', '7');
    expect(JSON.parse(response.text)).toMatchObject({ code: 'overloaded', detail: 'too much' });
  });

  it('refuses two Host headers', async () => {
    expect(await rawRequest('/health/live HTTP/1.1\r\nHost: y\r\nX: ')).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('locate', () => {
  it('answers one address as a JSON string, all as a list, none as 404', async () => {
    expect((await http().get('/locate/here').expect(200)).text).toBe('"127.0.1.1:12345"');
    expect((await http().get('/locate/here?all').expect(200)).text).toBe('["127.0.1.1:12345","127.0.1.2:12345"]');
    expect(JSON.parse((await http().get('/locate/there').expect(404)).text).code).toBe('object-not-found');
    expect(JSON.parse((await http().get('/locate/there?all=').expect(404)).text).code).toBe('object-not-found');
  });
});

describe('operations', () => {
  it('says what is missing', async () => {
    await http().get('/health/live').expect(200, { status: 'ok' });
    await http().get('/health/ready').expect(200, { status: 'ok', missing: [], detail: [] });
    broker = 'connect ECONNREFUSED';
    await http()
      .get('/health/ready')
      .expect(200, { status: 'degraded', missing: ['broker'], detail: ['broker: connect ECONNREFUSED'] });
  });

  it('shows metrics by route', async () => {
    const response = await http().get('/metrics').expect(200);
    expect(response.text).toContain('route="/health/live",method="GET",status="200"} 1');
    expect(response.text).toContain('route="none",method="GET",status="404"}');
  });

  it('serves the documentation without the network', async () => {
    const page = await http().get('/docs').expect(200);
    expect(page.text).toContain('swagger-ui');
    expect(page.text).not.toMatch(/(src|href)="https?:/);
    await http().get('/docs/swagger-ui-bundle.js').expect(200);
    const document = await http().get('/docs/openapi.json').expect(200);
    expect(document.body).toMatchObject({ openapi: '3.1.0' });
  });
});
