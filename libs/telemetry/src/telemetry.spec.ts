import { describe, expect, it } from '@jest/globals';
import { createLogger, Metrics } from './index.js';

function capture() {
  const lines: string[] = [];
  return { lines, destination: { write: (line: string) => void lines.push(line) } };
}

describe('createLogger', () => {
  it('writes JSON lines with the bound fields', () => {
    const { lines, destination } = capture();
    const log = createLogger({ level: 'info', format: 'json', fields: { program: 'data-server' }, destination });
    log.child({ requestId: 'r1' }).info({ bytes: 3 }, 'stored');
    log.debug('not shown');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      program: 'data-server',
      requestId: 'r1',
      bytes: 3,
      msg: 'stored',
    });
  });

  it('never writes a secret, neither as a field nor inside a URL', () => {
    const { lines, destination } = capture();
    const log = createLogger({ level: 'info', format: 'json', destination });
    log.error(
      {
        password: 'hunter2',
        headers: { authorization: 'hunter2' },
        err: new Error('amqp://user:hunter2@broker failed'),
      },
      'cannot reach amqp://user:hunter2@broker:5672 or amqps://:hunter2@b',
    );
    expect(lines.join('')).toContain('amqp://user:***@broker:5672');
    expect(lines.join('')).not.toContain('hunter2');
  });

  it('writes for people when asked', () => {
    const { lines, destination } = capture();
    createLogger({ level: 'info', format: 'pretty', destination }).warn({ free: 1 }, 'disk is full');
    expect(lines.join('')).toMatch(/WARN.*disk is full/);
  });
});

describe('Metrics', () => {
  it('shows requests, counters and gauges', async () => {
    const metrics = new Metrics();
    metrics.observeRequest('/objects', 'GET', 200, 0.002);
    metrics.observeRequest('/objects', 'GET', 200, 0.002);
    metrics.counter('granary_messages_dropped_total', 'Dropped.', ['reason']).inc({ reason: 'malformed' });
    metrics.gauge('granary_objects', 'Objects.', () => 7);
    const text = await metrics.text();
    expect(text).toContain('granary_http_request_duration_seconds_count{route="/objects",method="GET",status="200"} 2');
    expect(text).toContain('granary_messages_dropped_total{reason="malformed"} 1');
    expect(text).toContain('granary_objects 7');
  });

  it('counts every request, however many there are between two looks', async () => {
    const metrics = new Metrics();
    for (let request = 0; request < 1000; request += 1) metrics.observeRequest('/objects', 'GET', 200, 0.002);
    for (let request = 0; request < 300; request += 1) metrics.observeRequest('/objects', 'GET', 404, 0.2);
    const series = 'granary_http_request_duration_seconds';
    for (const more of [0, 1]) {
      metrics.observeRequest('/objects', 'GET', 404, 0.2);
      // oxlint-disable-next-line no-await-in-loop -- one look after the other
      const text = await metrics.text();
      expect(text).toContain(`${series}_count{route="/objects",method="GET",status="200"} 1000`);
      expect(text).toContain(`${series}_bucket{le="0.005",route="/objects",method="GET",status="200"} 1000`);
      expect(text).toContain(`${series}_bucket{le="0.1",route="/objects",method="GET",status="404"} 0`);
      expect(text).toContain(`${series}_count{route="/objects",method="GET",status="404"} ${301 + more}`);
    }
  });

  it('refuses what is no duration, and goes on counting', async () => {
    const metrics = new Metrics();
    metrics.observeRequest('/objects', 'GET', 200, 0.002);
    expect(() => metrics.observeRequest('/objects', 'GET', 200, Number.NaN)).toThrow('No duration');
    metrics.observeRequest('/objects', 'GET', 200, 0.002);
    const count = 'granary_http_request_duration_seconds_count{route="/objects",method="GET",status="200"} 2';
    expect(await metrics.text()).toContain(count);
    expect(await metrics.text()).toContain(count);
  });
});
