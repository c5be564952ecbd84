const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const QUOTED = '"(?:[\\t\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\t\\x20-\\x7e])*"';

/** RFC 6266 §4.1: `attachment; filename="report.html"`. */
export const CONTENT_DISPOSITION = new RegExp(
  `^${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED}))*$`,
);

/**
 * The disposition to answer with: what was stored, but `attachment`, with the client's file name, for
 * what a browser might run. Undefined: none.
 */
export function dispositionOf(stored: string | undefined, isShownInline: boolean): string | undefined {
  if (isShownInline) return stored;
  if (stored === undefined) return 'attachment';
  const parameters = stored.indexOf(';');
  return parameters === -1 ? 'attachment' : `attachment${stored.slice(parameters)}`;
}
