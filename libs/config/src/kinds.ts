import { isServerAddress } from '#contracts';

/** How one kind of value is written in an environment variable, and what becomes of it. */
export interface Kind<T> {
  /** Undefined when the text is not of this kind. */
  parse: (text: string) => T | undefined;
  /** What a message about a wrong value says. */
  expected: string;
  unit?: string;
  /** The value as it may be shown in messages and logs. Default: as it is. */
  show?: (text: string) => string;
}

/** Where a server listens. Without a host: on all interfaces. Port 0: any free one. */
export interface ListenAddress {
  host: string | undefined;
  port: number;
}

export const listenAddress: Kind<ListenAddress> = {
  expected: 'host:port or :port',
  parse(text) {
    const { host, port } =
      /^(?:(?<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])?):(?<port>\d{1,5})$/.exec(text)?.groups ?? {};
    if (port === undefined || Number(port) > 65_535) return undefined;
    return { host: host?.replace(/^\[|\]$/g, ''), port: Number(port) };
  },
};

export const serverAddress: Kind<string> = {
  expected: 'host:port',
  parse: text => (isServerAddress(text) ? text : undefined),
};

export const directory: Kind<string> = {
  expected: 'one directory, e.g. ./store',
  parse: text => (text.includes(',') ? undefined : text),
};

export const directories: Kind<readonly string[]> = {
  expected: 'different directories, separated by commas',
  parse(text) {
    const all = text.split(',').map(part => part.trim());
    return all.includes('') || new Set(all).size < all.length ? undefined : all;
  },
};

export const serverId: Kind<string> = {
  expected: '1 to 64 letters, digits, - or _',
  parse: text => (/^[A-Za-z0-9_-]{1,64}$/.test(text) ? text : undefined),
};

/** Travels as a server id does, and is spelled alike. */
export const zoneName: Kind<string> = serverId;

export const onOff: Kind<boolean> = {
  expected: 'on or off',
  parse(text) {
    if (/^(on|true|yes|1)$/i.test(text)) return true;
    if (/^(off|false|no|0)$/i.test(text)) return false;
    return undefined;
  },
};

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return { expected: `one of ${values.join(', ')}`, parse: text => values.find(value => value === text) };
}

export function count(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  return { expected: `a whole number ${bounds(min, max)}`, parse: text => wholeNumber(text, min, max) };
}

export function durationMs(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    unit: 'ms',
    expected: `a whole number of milliseconds ${bounds(min, max)}`,
    parse: text => wholeNumber(text, min, max),
  };
}

export function durationSeconds(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    unit: 's',
    expected: `a whole number of seconds ${bounds(min, max)}`,
    parse: text => wholeNumber(text, min, max),
  };
}

const BYTES_OF_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

export function byteSize(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    unit: 'bytes',
    expected: `a number of bytes ${bounds(min, max)}, plain or like 64KiB, 10MB or 5TiB`,
    parse(text) {
      const [, digits, unit] = /^(\d{1,16}) ?([A-Za-z]*)$/.exec(text) ?? [];
      const factor = BYTES_OF_UNIT[unit ?? ''];
      if (digits === undefined || factor === undefined) return undefined;
      const bytes = Number(digits) * factor;
      return Number.isSafeInteger(bytes) && bytes >= min && bytes <= max ? bytes : undefined;
    },
  };
}

export const brokerUrl: Kind<string> = {
  expected: 'amqp://user:password@host:5672 or amqps://…',
  show: maskPassword,
  parse(text) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    return url !== undefined && /^amqps?:$/.test(url.protocol) && url.hostname !== '' ? text : undefined;
  },
};

export const metadataUrl: Kind<string> = {
  expected: 'sqlite:./data/metadata.db (a file: memory does not last) or postgres://user:password@host:5432/database',
  show: maskPassword,
  parse(text) {
    if (text.startsWith('sqlite:')) return namesFile(text.slice('sqlite:'.length)) ? text : undefined;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    return url !== undefined && /^postgres(?:ql)?:$/.test(url.protocol) ? text : undefined;
  },
};

/** In memory, or in the temporary file that an empty path means, each connection would have a database of its own. */
function namesFile(path: string): boolean {
  return !/^[/\s]*$/.test(path) && !path.includes(':memory:') && !path.startsWith('file:');
}

/** A URL without its password. What cannot be told to be free of one is hidden whole. */
export function maskPassword(url: string): string {
  if (!URL.canParse(url) || !url.includes('://')) return url.includes('@') ? '***' : url;
  const masked = new URL(url);
  if (masked.password !== '') masked.password = '***';
  return masked.href;
}

function wholeNumber(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

function bounds(min: number, max: number): string {
  return max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
}
