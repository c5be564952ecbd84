import { GranaryError } from '#contracts';

/**
 * The parameters of a request target, decoded as HTML forms have them; one without a value is empty.
 * Throws `query-invalid` when one is badly encoded, holds NUL, or comes twice.
 */
export function queryOf(target: string): ReadonlyMap<string, string> {
  const start = target.indexOf('?');
  const parameters = new Map<string, string>();
  if (start === -1) return parameters;
  for (const pair of target.slice(start + 1).split('&')) {
    if (pair === '') continue;
    const [name, value] = parameterOf(pair);
    if (parameters.has(name))
      throw new GranaryError('query-invalid', `The parameter ${name.slice(0, 40)} comes twice.`);
    parameters.set(name, value);
  }
  return parameters;
}

function parameterOf(pair: string): [name: string, value: string] {
  const equals = pair.indexOf('=');
  if (equals === -1) return [decode(pair), ''];
  return [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
}

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new GranaryError('query-invalid', 'The query is not percent-encoded UTF-8.', { cause });
  }
  if (decoded.includes('\0')) throw new GranaryError('query-invalid', 'The query contains a NUL character.');
  return decoded;
}
