import { objectRoutes } from './object-routes.js';
import { schemasOfContracts } from './schemas.js';
import { serviceRoutes } from './service-routes.js';
import { versionRoutes } from './version-routes.js';
import type { DocumentedRoute, Program } from './documented-route.js';
import type { OpenApiDocument } from './openapi-types.js';

/** The HTTP API as OpenAPI 3.1, of one program or of both. Generated from the shapes and error codes of libs/contracts. */
export function openApiDocument(program?: Program): OpenApiDocument {
  const routes = [...objectRoutes, ...versionRoutes, ...serviceRoutes].filter(
    ({ on }) => program === undefined || on.includes(program),
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'Granary',
      version: '1',
      description:
        'A self-hosted distributed object store. Every refusal is `application/problem+json` with a stable `code`; ' +
        'every response carries `X-Request-Id`.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/', description: 'This server.' }, { url: 'http://127.0.0.1:12345' }],
    tags: [
      { name: 'objects', description: 'Alike on API servers and data servers.' },
      { name: 'versions', description: 'Only where there is a metadata database; elsewhere 404.' },
      { name: 'cluster', description: 'Which servers there are, and which holds what.' },
      { name: 'operations', description: 'Health, metrics, documentation.' },
    ],
    paths: pathsOf(routes),
    components: { schemas: schemasOfContracts() },
  };
}

function pathsOf(routes: readonly DocumentedRoute[]): OpenApiDocument['paths'] {
  const paths: OpenApiDocument['paths'] = {};
  for (const { path, method, operation } of routes) paths[path] = { ...paths[path], [method]: operation };
  return paths;
}
