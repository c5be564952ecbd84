/** The name of an error of the system, such as `ENOENT`; undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  const named = typeof error === 'object' && error !== null && 'code' in error;
  return named && typeof error.code === 'string' ? error.code : undefined;
}
