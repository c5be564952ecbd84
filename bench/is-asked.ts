/** Whether the name contains one of the texts, or there are none. */
export function isAsked(name: string, texts: readonly string[]): boolean {
  return texts.length === 0 || texts.some(text => name.includes(text));
}
