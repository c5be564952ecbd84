import { apiServerSchema } from '../apps/api-server/src/config.js';
import { dataServerSchema } from '../apps/data-server/src/config.js';
import { standaloneSchema } from '../apps/standalone/src/config.js';
import { configTable } from '#config';
import { replaceBlock, type GeneratedPage } from './generated-page.js';

/** The README's table of environment variables. */
export const configDocs: GeneratedPage = {
  path: 'README.md',
  render: present =>
    replaceBlock(
      present,
      'configuration',
      configTable([
        { name: 'api-server', schema: apiServerSchema },
        { name: 'data-server', schema: dataServerSchema },
        { name: 'standalone', schema: standaloneSchema },
      ]),
    ),
};
