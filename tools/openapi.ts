import { openApiDocument } from '#nest';
import type { GeneratedPage } from './generated-page.js';

export const openApiDocs: GeneratedPage = {
  path: 'docs/openapi.json',
  render: () => `${JSON.stringify(openApiDocument(), null, 2)}\n`,
};
