import { pidsListeningOn, withChildren } from './processes.js';

/** A store under load: anything that speaks PUT and GET /objects/<name>. */
export interface Target {
  name: string;
  host: string;
  port: number;
  /** The server processes, children included; empty when they cannot be known (another machine). */
  pids: readonly number[];
}

/** `name=http://host:port`; the pids are given, or those that listen on the port with all their children. */
export function parseTarget(text: string, pidsOf: ReadonlyMap<string, readonly number[]>): Target {
  const at = text.indexOf('=');
  if (at <= 0) throw new Error(`--target ${text}: expected name=url`);
  const name = text.slice(0, at);
  const url = new URL(text.slice(at + 1));
  const port = Number(url.port === '' ? 80 : url.port);
  const pids = withChildren(pidsOf.get(name) ?? pidsListeningOn(url.hostname, port));
  return { name, host: url.hostname, port, pids };
}

/** `name=pid,pid`. */
export function parsePids(texts: readonly string[]): Map<string, number[]> {
  return new Map(
    texts.map(text => {
      const [name = '', list = ''] = text.split('=');
      return [name, list.split(',').map(Number).filter(Number.isInteger)];
    }),
  );
}
