import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import {
  brokerUrl,
  byteSize,
  configTable,
  count,
  defaulted,
  directory,
  durationMs,
  listenAddress,
  loadConfig,
  maskPassword,
  metadataUrl,
  onOff,
  optional,
  required,
  usage,
} from './index.js';

const schema = z.object({
  listenAddress: defaulted(listenAddress, '127.0.0.1:12345', 'Where to listen.'),
  storageRoot: required(directory, 'Where to store.'),
  rabbitmqServer: optional(brokerUrl, 'The broker.'),
  maxObjectSizeBytes: defaulted(byteSize(1), '5TiB', 'The largest object.'),
  stallTimeoutMs: defaulted(durationMs(100), '30000', 'Patience.'),
  workers: defaulted(count(1, 64), '2', 'Processes.', 'one per core'),
  storageFsync: defaulted(onOff, 'on', 'Durability.'),
});

describe('loadConfig', () => {
  it('fills in defaults and freezes', () => {
    const config = loadConfig(schema, { STORAGE_ROOT: './store', RABBITMQ_SERVER: ' ' });
    expect(config).toEqual({
      listenAddress: { host: '127.0.0.1', port: 12_345 },
      storageRoot: './store',
      maxObjectSizeBytes: 5 * 2 ** 40,
      stallTimeoutMs: 30_000,
      workers: 2,
      storageFsync: true,
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reads every kind', () => {
    const config = loadConfig(schema, {
      LISTEN_ADDRESS: '[::1]:80',
      STORAGE_ROOT: '/srv/store',
      RABBITMQ_SERVER: 'amqp://granary:secret@broker:5672',
      MAX_OBJECT_SIZE_BYTES: '64KiB',
      STALL_TIMEOUT_MS: '100',
      WORKERS: '64',
      STORAGE_FSYNC: 'off',
    });
    expect(config).toMatchObject({ listenAddress: { host: '::1', port: 80 }, maxObjectSizeBytes: 65_536, workers: 64 });
    expect(config.storageFsync).toBe(false);
  });

  it('names every problem in one message, without secrets', () => {
    const env = {
      LISTEN_ADDRESS: 'localhost',
      RABBITMQ_SERVER: 'http://granary:secret@broker',
      MAX_OBJECT_SIZE_BYTES: '5 parsecs',
      STALL_TIMEOUT_MS: '-1',
      WORKERS: '0',
    };
    expect(() => loadConfig(schema, env)).toThrow(
      [
        'LISTEN_ADDRESS=localhost: expected host:port or :port',
        'STORAGE_ROOT is not set: expected one directory, e.g. ./store',
        'RABBITMQ_SERVER=http://granary:***@broker/: expected amqp://user:password@host:5672 or amqps://…',
        'MAX_OBJECT_SIZE_BYTES=5 parsecs: expected a number of bytes of at least 1, plain or like 64KiB, 10MB or 5TiB',
        'STALL_TIMEOUT_MS=-1: expected a whole number of milliseconds of at least 100',
        'WORKERS=0: expected a whole number from 1 to 64',
      ].join('\n'),
    );
  });

  it.each([':0', ':65535', 'host:1', '0.0.0.0:12345'])('takes %s as a listen address', text => {
    expect(listenAddress.parse(text)).toBeDefined();
  });
  it.each(['', ':', '12345', ':65536', 'a b:1', 'http://host:1', '::1:80'])('refuses %j as a listen address', text => {
    expect(listenAddress.parse(text)).toBeUndefined();
  });
});

describe('metadataUrl', () => {
  it.each(['sqlite:a.db', 'sqlite:./a.db', 'sqlite:/srv/a.db', 'sqlite:///srv/a.db', 'postgres://u:p@h:1/d'])(
    'takes %s',
    text => expect(metadataUrl.parse(text)).toBe(text),
  );
  it.each([
    'sqlite::memory:',
    'sqlite://:memory:',
    'sqlite:file:a?mode=memory',
    'sqlite:',
    'sqlite: ',
    'sqlite:///',
    'a.db',
  ])('refuses %j, which names no file that all connections share', text =>
    expect(metadataUrl.parse(text)).toBeUndefined(),
  );
});

describe('maskPassword', () => {
  it.each([
    ['amqp://u:p@h:1', 'amqp://u:***@h:1'],
    ['amqp://h:1', 'amqp://h:1'],
    ['u:p@h', '***'],
    ['u@h u:p@x', '***'],
  ])('%s becomes %s', (url, masked) => {
    expect(maskPassword(url)).toBe(masked);
  });
});

describe('documentation', () => {
  it('lists every variable with its default', () => {
    const text = usage('data-server', schema);
    expect(text).toContain('MAX_OBJECT_SIZE_BYTES\n      The largest object.\n');
    expect(text).toContain('default 5TiB');
    expect(text).toContain('default one per core');
  });

  it('makes one row of what apps share', () => {
    const table = configTable([
      { name: 'data-server', schema },
      { name: 'api-server', schema: z.object({ maxObjectSizeBytes: schema.shape.maxObjectSizeBytes }) },
    ]);
    expect(table).toContain(
      '| `MAX_OBJECT_SIZE_BYTES` | `5TiB` | bytes | The largest object. | data-server, api-server |',
    );
    expect(table).toContain('| `STORAGE_ROOT` | **required** |  | Where to store. | data-server |');
  });
});
