import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { loadConfig } from '#config';
import { ClusterSecret, oneSecret, secretOf, secretVariables, warnWithoutSecret } from './index.js';

const bytes = randomBytes(32);
const keyOf = (text: string): string | undefined => ClusterSecret.parse(text)?.key('http').toString('hex');

describe('ClusterSecret', () => {
  it('is the same secret in hex, in base64 and with a line end', () => {
    const hex = bytes.toString('hex');
    const key = keyOf(hex);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    for (const text of [hex.toUpperCase(), `${hex}\n`, bytes.toString('base64'), bytes.toString('base64url')]) {
      expect(keyOf(text)).toBe(key);
    }
    expect(keyOf(randomBytes(32).toString('hex'))).not.toBe(key);
  });

  it('takes any text that is long enough', () => {
    expect(keyOf('correct horse battery staple, and a stable')).toBeDefined();
  });

  it.each([
    ['an empty text', ''],
    ['31 bytes in hex', randomBytes(31).toString('hex')],
    ['half a byte too few in hex', randomBytes(32).toString('hex').slice(1)],
    ['31 characters', 'correct horse battery staple, a'],
    ['one byte again and again', 'ab'.repeat(32)],
    ['a word again and again', 'password'.repeat(8)],
  ])('refuses %s', (_, text) => {
    expect(ClusterSecret.parse(text)).toBeUndefined();
  });

  it('derives another key for each purpose, always the same', () => {
    const secret = ClusterSecret.parse('00112233445566778899aabbccddeeff'.repeat(2));
    const keys = (['frames', 'http', 'messages'] as const).map(purpose => secret?.key(purpose).toString('hex'));
    expect(new Set(keys).size).toBe(3);
    // RFC 5869, worked out with `openssl kdf`: servers of different versions must agree.
    expect(keys).toEqual(KEYS);
  });

  it('is never shown', () => {
    const secret = ClusterSecret.random();
    for (const shown of [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 9, showHidden: true }),
    ]) {
      expect(shown).toContain('[cluster secret]');
      expect(shown.length).toBeLessThan(60);
    }
  });
});

describe('CLUSTER_SECRET and CLUSTER_SECRET_FILE', () => {
  const directory = mkdtempSync(join(tmpdir(), 'granary-secret-'));
  const file = join(directory, 'secret');
  afterAll(() => rmSync(directory, { recursive: true }));
  const schema = z.object(secretVariables).refine(...oneSecret);
  const load = (env: Record<string, string>) => secretOf(loadConfig(schema, env));

  it('say the same', () => {
    writeFileSync(file, `${bytes.toString('base64')}\n`);
    const direct = load({ CLUSTER_SECRET: bytes.toString('hex') })?.key('frames');
    expect(load({ CLUSTER_SECRET_FILE: file })?.key('frames')).toEqual(direct);
    expect(load({})).toBeUndefined();
    expect(() => load({ CLUSTER_SECRET: bytes.toString('hex'), CLUSTER_SECRET_FILE: file })).toThrow(/only one of/);
  });

  it('say what they want, and not what they were given', () => {
    const weak = 'too-short-but-secret';
    writeFileSync(file, weak);
    for (const env of [{ CLUSTER_SECRET: weak }, { CLUSTER_SECRET_FILE: file }]) {
      expect(() => load(env)).toThrow(/at least 32 random bytes.*openssl rand -hex 32/);
      expect(() => load(env)).not.toThrow(weak);
    }
    expect(() => load({ CLUSTER_SECRET_FILE: join(directory, 'none') })).toThrow(/can be read/);
  });

  it('are missed in a cluster, and useless without one', () => {
    const clusterSecret = ClusterSecret.random();
    const rabbitmqServer = 'amqp://broker';
    expect(warnings({ rabbitmqServer })).toEqual([expect.stringContaining('CLUSTER_SECRET is not set')]);
    expect(warnings({ clusterSecret })).toEqual([expect.stringContaining('not RABBITMQ_SERVER')]);
    expect(warnings({ rabbitmqServer, clusterSecret })).toEqual([]);
    expect(warnings({})).toEqual([]);
  });
});

const KEYS = [
  '0360f44892a8f3eb728d932a9697c3d8065ce2d9addf9dedd6481e6a0c472f98',
  '453b212ede701067cdd77e54368f2132959b5f0bccf250e79b74fcaaa6d45877',
  '76748ba78ff9ab85c8ccb2ef9528bb243d197cb99b105085bb869ef68e06bd29',
];

function warnings(config: Parameters<typeof warnWithoutSecret>[0]): string[] {
  const lines: string[] = [];
  warnWithoutSecret(config, { warn: line => void lines.push(line) });
  return lines;
}
