import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MAX_HEAD_BYTES, MalformedResponse, ResponseParser } from './response-parser.js';

interface Parsed {
  interims: number;
  status: number | undefined;
  fields: (string | undefined)[];
  body: string;
  ended: boolean;
}

/** Everything the parser makes of the pieces, each fed in a buffer that is overwritten afterwards. */
function parse(pieces: readonly Buffer[], method = 'GET'): Parsed {
  const parser = new ResponseParser();
  const parsed: Parsed = { interims: 0, status: undefined, fields: [], body: '', ended: false };
  parser.begin(method);
  for (const piece of pieces) {
    const input = Buffer.from(piece);
    parser.feed(input);
    for (let event = parser.next(); event !== 'need-input'; event = parser.next()) {
      if (event === 'interim') parsed.interims++;
      else if (event === 'head') {
        parsed.status = parser.head.status;
        parsed.fields = ['a', 'etag', 'content-length'].map(name => parser.head.fields.get(name));
      } else if (event === 'data') parsed.body += parser.data.toString('latin1');
      else parsed.ended = true;
    }
    input.fill('X');
  }
  return parsed;
}

const whole = (text: string, method?: string) => parse([Buffer.from(text, 'latin1')], method);

function cutAt(text: string, cuts: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const marks = [0, ...[...cuts].map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return marks.slice(1).map((mark, i) => bytes.subarray(marks[i], mark));
}

const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nhello',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: a\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length:0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;name="v"\r\nhel\r\n\r\n0B\r\n lo world!!\r\n000\r\nX-T: 1\r\nY: 2\r\n\r\n',
  'HTTP/1.0 404 Not Found\r\nA: 1\r\na: 2\r\nContent-Length: 3\r\n\r\nno\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
];

describe('ResponseParser', () => {
  it.each(RESPONSES)('reads the same from any cutting of %j', text => {
    const expected = whole(text);
    expect(expected.ended).toBe(true);
    const bytes = [...Buffer.from(text, 'latin1')].map(byte => Buffer.from([byte]));
    expect(parse(bytes)).toEqual(expected);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 8 }), cuts => {
        expect(parse(cutAt(text, cuts))).toEqual(expected);
      }),
    );
  });

  it('finds fields by name, in any case, repeated ones together', () => {
    expect(whole(RESPONSES[0] ?? '').fields).toEqual([undefined, '"x"', '5']);
    expect(whole(RESPONSES[3] ?? '').fields).toEqual(['1, 2', undefined, '3']);
  });

  it('decodes chunks, passing over extensions and trailers', () => {
    expect(whole(RESPONSES[2] ?? '').body).toBe('hel\r\n lo world!!');
  });

  it('expects no body in answer to HEAD, whatever the headers say', () => {
    const parsed = whole('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n', 'HEAD');
    expect(parsed).toMatchObject({ ended: true, body: '' });
  });

  it.each([
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\r\nA: 1\nB: 2\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: 1\r\n  2\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['an absurd length', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n'],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['gzip', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['a body until close', 'HTTP/1.1 200 OK\r\n\r\nabc'],
    ['a protocol switch', 'HTTP/1.1 101 Switching\r\n\r\n'],
    ['a bad chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n'],
    ['a negative chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n'],
    ['an absurd chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n'],
    ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n'],
    ['an endless chunk line', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(400)}`],
    ['endless trailers', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(9000)}`],
    ['a giant head', `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(MAX_HEAD_BYTES)}\r\n\r\n`],
    ['a flood of interim responses', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)],
    ['bytes after the end', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab'],
  ])('refuses %s, however it is cut', (_what, text) => {
    expect(() => whole(text)).toThrow(MalformedResponse);
    const bytes = [...Buffer.from(text, 'latin1')].map(byte => Buffer.from([byte]));
    expect(() => parse(bytes)).toThrow(MalformedResponse);
  });

  it('never does anything but parse or refuse', () => {
    const token = fc.constantFrom(
      'HTTP/1.1 200 OK',
      '\r\n',
      '\n',
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      '3',
      'abc',
      ';',
      '0',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(token, fc.string({ maxLength: 3 })), { maxLength: 12 }), parts => {
        try {
          whole(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedResponse);
        }
      }),
    );
  });
});
