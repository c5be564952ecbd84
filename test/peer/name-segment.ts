/** The first path segment after the route, percent-encoding and all; what follows a further slash is ignored, as peers do. */
export function nameSegment(url: string, route: 'objects' | 'locate'): string | undefined {
  const [path = ''] = url.split('?');
  const [, first, segment] = path.split('/');
  return first === route && segment !== undefined && segment !== '' ? segment : undefined;
}
