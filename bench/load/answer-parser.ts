export interface Answer {
  status: number;
  bodyBytes: number;
  /** The server will close the connection. */
  closes: boolean;
}

const CR_LF_CR_LF = Buffer.from('\r\n\r\n');
const MAX_HEAD_BYTES = 64 * 1024;

type State = 'head' | 'body' | 'chunk-size' | 'chunk-data' | 'trailer';

/** Just enough HTTP/1.1 to count what a server answers: lengths and chunks, interim answers skipped. */
export class AnswerParser {
  private state: State = 'head';
  private pending: Buffer = Buffer.alloc(0);
  private remaining = 0;
  private answer: Answer = { status: 0, bodyBytes: 0, closes: false };

  reset(): void {
    this.state = 'head';
    this.pending = Buffer.alloc(0);
  }

  /** Returns the answer when these bytes complete it. One answer at a time: no pipelining. */
  feed(buffer: Buffer, count: number): Answer | undefined {
    let offset = 0;
    while (offset < count || (this.state === 'body' && this.remaining === 0)) {
      if (this.state === 'body' || this.state === 'chunk-data') {
        offset += this.skipBody(count - offset);
        if (this.state === 'body' && this.remaining === 0) return this.complete();
        continue;
      }
      const line = this.collect(buffer, offset, count, this.state === 'head' ? CR_LF_CR_LF : CR_LF_CR_LF.subarray(2));
      if (line === undefined) return undefined;
      offset = line.next;
      if (this.state === 'head') this.readHead(line.text);
      else if (this.state === 'chunk-size') this.readChunkSize(line.text);
      else if (line.text === '') return this.complete();
    }
    return undefined;
  }

  private skipBody(available: number): number {
    const taken = Math.min(available, this.remaining);
    this.remaining -= taken;
    this.answer.bodyBytes += taken;
    if (this.remaining === 0 && this.state === 'chunk-data') {
      this.answer.bodyBytes -= 2;
      this.state = 'chunk-size';
    }
    return taken;
  }

  private collect(
    buffer: Buffer,
    offset: number,
    count: number,
    end: Buffer,
  ): { text: string; next: number } | undefined {
    const fresh = buffer.subarray(offset, count);
    const joined = this.pending.length === 0 ? fresh : Buffer.concat([this.pending, fresh]);
    const at = joined.indexOf(end);
    if (at < 0) {
      if (joined.length > MAX_HEAD_BYTES) throw new Error('the head of an answer is over 64 KiB');
      this.pending = Buffer.from(joined);
      return undefined;
    }
    const next = offset + at + end.length - this.pending.length;
    this.pending = Buffer.alloc(0);
    return { text: joined.toString('latin1', 0, at), next };
  }

  private readHead(head: string): void {
    const status = Number(head.slice(9, 12));
    if (status >= 100 && status < 200) return;
    this.answer = { status, bodyBytes: 0, closes: /\r\nconnection: *close/i.test(head) };
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined || status === 204 || status === 304) {
      this.state = 'body';
      this.remaining = Number(length ?? 0);
    } else if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      this.state = 'chunk-size';
    } else {
      throw new Error(`an answer with neither a length nor chunks:\n${head}`);
    }
  }

  private readChunkSize(line: string): void {
    const size = Number.parseInt(line, 16);
    if (!Number.isSafeInteger(size)) throw new Error(`no chunk size: ${line}`);
    this.state = size === 0 ? 'trailer' : 'chunk-data';
    this.remaining = size + 2;
  }

  private complete(): Answer {
    this.state = 'head';
    return this.answer;
  }
}
