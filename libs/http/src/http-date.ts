const IMF_FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850 = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** Whole seconds since 1970 from any of the three forms of RFC 9110 §5.6.7; undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  const ms = ASCTIME.test(text)
    ? Date.parse(`${text} GMT`)
    : IMF_FIXDATE.test(text) || RFC_850.test(text)
      ? Date.parse(text)
      : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}

const MAX_REMEMBERED = 1024;
const remembered = new Map<number, string>();

/** Remembers some, since formatting one costs as much as all other headers of a small GET together. */
export function formatHttpDate(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  let text = remembered.get(seconds);
  if (text === undefined) {
    if (remembered.size === MAX_REMEMBERED) remembered.clear();
    text = new Date(seconds * 1000).toUTCString();
    remembered.set(seconds, text);
  }
  return text;
}
