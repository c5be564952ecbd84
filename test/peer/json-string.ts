/** A message body as peers write it: one JSON string in which `&`, `<`, `>` and the line separators are `\u` escapes. */
export function encodeJsonString(text: string): Buffer {
  return Buffer.from(JSON.stringify(text).replaceAll(/[&<>\u2028\u2029]/g, unicodeEscape));
}

/** Throws when the body is anything but one JSON string: peers crash on it. */
export function decodeJsonString(body: Buffer): string {
  const value: unknown = JSON.parse(body.toString('utf8'));
  if (typeof value !== 'string') throw new TypeError(`not a JSON string: ${body.toString('utf8').slice(0, 200)}`);
  return value;
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
