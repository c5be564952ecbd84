/** A file of the repo that is generated, wholly or in part. */
export interface GeneratedPage {
  path: string;
  /** What the file should be, given what it is ('' when there is none). */
  render: (present: string) => string;
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. */
export function replaceBlock(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`There is no ${begin} … ${end} to fill.`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}
