/** The header fields of a response, looked up where they stand: few of them are ever asked for. */
export class HeaderFields {
  private readonly searchable: string;

  /** Lines of valid syntax, each with its CRLF in front. */
  constructor(private readonly lines: string) {
    this.searchable = lines.toLowerCase();
  }

  /** The name in lower case. Values of a repeated field are joined by commas. */
  get(name: string): string | undefined {
    const key = `\r\n${name}:`;
    let found: string | undefined;
    for (let at = this.searchable.indexOf(key); at !== -1; at = this.searchable.indexOf(key, at + key.length)) {
      const end = this.lines.indexOf('\r\n', at + key.length);
      const value = this.lines.slice(at + key.length, end === -1 ? undefined : end).trim();
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }
}

/** The final (not 1xx) head of a response. */
export interface ResponseHead {
  status: number;
  fields: HeaderFields;
  /** Whether the connection may carry another exchange. */
  keepAlive: boolean;
  /** Bytes of body to come; 0 for answers that have none (to HEAD, 204, 304). */
  bodyLength: number | 'chunked';
}

/** What `next` found. After `head` and `data` the field of that name is set, until the next call. */
export type ParserEvent = 'need-input' | 'interim' | 'head' | 'data' | 'end';

/** The bytes are no response that RFC 9112 allows, or exceed a bound. The connection cannot be used further. */
export class MalformedResponse extends Error {
  override readonly name = 'MalformedResponse';
}

export const MAX_HEAD_BYTES = 16 * 1024;
const MAX_INTERIM_RESPONSES = 16;
const MAX_CHUNK_LINE_BYTES = 256;

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_FEED = 0x0a;
const HEAD =
  /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)*)$/;
const FIELD_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;
const CONTENT_LENGTH = /^\d{1,15}$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,13})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;

type State = 'idle' | 'head' | 'fixed' | 'chunk-line' | 'chunk-data' | 'chunk-end' | 'trailers' | 'end';

/**
 * Parses the responses of one HTTP/1.1 connection, strictly (RFC 9112), from input cut anywhere. The
 * caller feeds a buffer and pulls events until `need-input`; what it has not pulled stays in the
 * buffer, so it must not feed another before. A body that only the end of the connection would end is
 * refused, because nobody could tell whether it is whole.
 */
export class ResponseParser {
  head!: ResponseHead;
  /** A view of the input that was fed. */
  data: Buffer = Buffer.alloc(0);

  private state: State = 'idle';
  private input: Buffer = this.data;
  private at = 0;
  private answersHead = false;
  private interims = 0;
  /** Body bytes, or bytes of the present chunk, that have not been pulled. */
  private remaining = 0;
  private partialHead: Buffer | undefined;
  private partialHeadLength = 0;
  private line = '';
  private trailerBytes = 0;

  /** A request has been sent whose response is parsed next. */
  begin(method: string): void {
    this.state = 'head';
    this.answersHead = method === 'HEAD';
    this.interims = 0;
    this.partialHeadLength = 0;
    this.line = '';
    this.trailerBytes = 0;
  }

  feed(input: Buffer): void {
    this.input = input;
    this.at = 0;
  }

  /** Bytes fed and not yet pulled. */
  get unread(): number {
    return this.input.length - this.at;
  }

  /** Body bytes that have not even been fed; Infinity while only the sender knows. */
  get bodyToReceive(): number {
    if (this.state === 'fixed') return Math.max(0, this.remaining - this.unread);
    return this.inChunkedBody ? Infinity : 0;
  }

  /** Body bytes that have not been pulled; Infinity while only the sender knows. */
  get bodyToRead(): number {
    if (this.state === 'fixed') return this.remaining;
    return this.inChunkedBody ? Infinity : 0;
  }

  next(): ParserEvent {
    for (;;) {
      switch (this.state) {
        case 'idle':
          if (this.unread > 0) throw new MalformedResponse('bytes arrived that belong to no request');
          return 'need-input';
        case 'head': {
          const text = this.takeHead();
          return text === undefined ? 'need-input' : this.parseHead(text);
        }
        case 'fixed':
          if (this.remaining > 0) return this.takeData();
          this.state = 'end';
          break;
        case 'chunk-line': {
          const line = this.takeLine(MAX_CHUNK_LINE_BYTES);
          if (line === undefined) return 'need-input';
          this.beginChunk(line);
          break;
        }
        case 'chunk-data':
          if (this.remaining > 0) return this.takeData();
          this.state = 'chunk-end';
          break;
        case 'chunk-end': {
          const line = this.takeLine(2);
          if (line === undefined) return 'need-input';
          if (line !== '') throw new MalformedResponse('a chunk is longer than its size');
          this.state = 'chunk-line';
          break;
        }
        case 'trailers': {
          const line = this.takeLine(MAX_HEAD_BYTES);
          if (line === undefined) return 'need-input';
          this.passTrailer(line);
          break;
        }
        case 'end':
          this.state = 'idle';
          return 'end';
      }
    }
  }

  private get inChunkedBody(): boolean {
    return (
      this.state === 'chunk-line' ||
      this.state === 'chunk-data' ||
      this.state === 'chunk-end' ||
      this.state === 'trailers'
    );
  }

  private takeHead(): string | undefined {
    if (this.partialHeadLength > 0) return this.takeRestOfHead();
    const end = this.input.indexOf(HEAD_END, this.at);
    const length = end === -1 ? this.unread : end - this.at;
    if (length > MAX_HEAD_BYTES) throw headTooLarge();
    if (end !== -1) {
      const text = this.input.toString('latin1', this.at, end);
      this.at = end + HEAD_END.length;
      return text;
    }
    this.keepPartialHead(length);
    return undefined;
  }

  private takeRestOfHead(): string | undefined {
    const known = this.partialHeadLength;
    const kept = this.keepPartialHead(Math.min(this.unread, MAX_HEAD_BYTES + HEAD_END.length - known));
    const end = kept.subarray(0, this.partialHeadLength).indexOf(HEAD_END, Math.max(0, known - 3));
    if (end === -1) {
      if (this.partialHeadLength > MAX_HEAD_BYTES) throw headTooLarge();
      return undefined;
    }
    this.at -= this.partialHeadLength - (end + HEAD_END.length);
    this.partialHeadLength = 0;
    return kept.toString('latin1', 0, end);
  }

  private keepPartialHead(length: number): Buffer {
    this.partialHead ??= Buffer.allocUnsafeSlow(MAX_HEAD_BYTES + HEAD_END.length);
    this.input.copy(this.partialHead, this.partialHeadLength, this.at, this.at + length);
    this.partialHeadLength += length;
    this.at += length;
    return this.partialHead;
  }

  private parseHead(text: string): ParserEvent {
    const [, minor, digits, lines] = HEAD.exec(text) ?? [];
    if (digits === undefined || lines === undefined) throw new MalformedResponse('its head is not that of HTTP/1.x');
    const status = Number(digits);
    if (status < 200) return this.passInterim(status);

    const fields = new HeaderFields(lines);
    const bodyLength = this.answersHead || status === 204 || status === 304 ? 0 : bodyLengthOf(fields);
    const keepAlive = minor === '1' && !/\bclose\b/i.test(fields.get('connection') ?? '');
    this.head = { status, fields, keepAlive, bodyLength };
    this.remaining = bodyLength === 'chunked' ? 0 : bodyLength;
    this.state = bodyLength === 'chunked' ? 'chunk-line' : 'fixed';
    this.partialHead = undefined;
    return 'head';
  }

  private passInterim(status: number): ParserEvent {
    if (status === 101) throw new MalformedResponse('it switches protocols unasked');
    if (++this.interims > MAX_INTERIM_RESPONSES) {
      throw new MalformedResponse(`more than ${MAX_INTERIM_RESPONSES} interim responses`);
    }
    return 'interim';
  }

  private takeData(): ParserEvent {
    const length = Math.min(this.unread, this.remaining);
    if (length === 0) return 'need-input';
    this.data = this.input.subarray(this.at, this.at + length);
    this.at += length;
    this.remaining -= length;
    return 'data';
  }

  /** A line without its CRLF, once all of it is there. */
  private takeLine(maxBytes: number): string | undefined {
    const lineFeed = this.input.indexOf(LINE_FEED, this.at);
    const end = lineFeed === -1 ? this.input.length : lineFeed + 1;
    if (this.line.length + end - this.at > maxBytes + 2) {
      throw new MalformedResponse(`a line of the body's framing exceeds ${maxBytes} bytes`);
    }
    const line = this.line + this.input.toString('latin1', this.at, end);
    this.at = end;
    this.line = lineFeed === -1 ? line : '';
    if (lineFeed === -1) return undefined;
    if (!line.endsWith('\r\n')) throw new MalformedResponse('a line ends with a bare LF');
    return line.slice(0, -2);
  }

  private beginChunk(line: string): void {
    const [, digits] = CHUNK_LINE.exec(line) ?? [];
    if (digits === undefined) throw new MalformedResponse('a chunk has no valid size');
    this.remaining = Number.parseInt(digits, 16);
    this.state = this.remaining === 0 ? 'trailers' : 'chunk-data';
  }

  private passTrailer(line: string): void {
    if (line === '') {
      this.state = 'end';
      return;
    }
    this.trailerBytes += line.length;
    if (this.trailerBytes > MAX_HEAD_BYTES) throw new MalformedResponse('the trailers are too large');
    if (!FIELD_LINE.test(line)) throw new MalformedResponse('a trailer is malformed');
  }
}

function bodyLengthOf(fields: HeaderFields): number | 'chunked' {
  const encoding = fields.get('transfer-encoding');
  const length = fields.get('content-length');
  if (encoding !== undefined) {
    if (length !== undefined) throw new MalformedResponse('it has both Content-Length and Transfer-Encoding');
    if (encoding.toLowerCase() !== 'chunked') throw new MalformedResponse('its Transfer-Encoding is not chunked');
    return 'chunked';
  }
  if (length === undefined) throw new MalformedResponse('its body has neither a length nor chunks');
  if (!CONTENT_LENGTH.test(length)) throw new MalformedResponse('its Content-Length is malformed');
  return Number(length);
}

function headTooLarge(): MalformedResponse {
  return new MalformedResponse(`its head exceeds ${MAX_HEAD_BYTES} bytes`);
}
