/**
 * `npm run docs`: writes every page that is generated from the code. With `--check` it writes nothing
 * and exits 1 when a page is stale.
 */
import { configDocs } from './config-docs.js';
import { errorDocs } from './error-docs.js';
import { openApiDocs } from './openapi.js';
import { writeGenerated } from './write-generated.js';

await writeGenerated([configDocs, errorDocs, openApiDocs], 'npm run docs');
