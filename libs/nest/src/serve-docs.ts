import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { INestApplication } from '@nestjs/common';
import { ERROR_CODES, ROUTES } from '#contracts';
import type { Program } from './openapi/documented-route.js';
import { openApiDocument } from './openapi/openapi-document.js';

const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Granary</title>
    <link rel="stylesheet" href="${ROUTES.docs}/swagger-ui.css" />
    <link rel="icon" type="image/png" href="${ROUTES.docs}/favicon-32x32.png" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="${ROUTES.docs}/swagger-ui-bundle.js"></script>
    <script>
      SwaggerUIBundle({ url: '${ROUTES.docs}/openapi.json', dom_id: '#swagger-ui', validatorUrl: 'none' });
    </script>
  </body>
</html>
`;

/** Where the `type` of a problem leads. */
function errorsPage(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { status, title }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${title.replaceAll('<', '&lt;')}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Granary: error codes</title>
    <style>
      body { font-family: sans-serif; margin: 2rem; }
      td, th { text-align: left; padding: 0.3rem 1rem 0.3rem 0; }
      tr:target { background: #ffc; }
    </style>
  </head>
  <body>
    <h1>Error codes</h1>
    <table>
      <tr><th>code</th><th>status</th><th>meaning</th></tr>
      ${rows.join('\n      ')}
    </table>
  </body>
</html>
`;
}

/**
 * Swagger UI at /docs, from this machine alone. Not by @nestjs/swagger: that derives documents from
 * DTO classes, which there are none of, and takes 18 MB of every process to show ours.
 */
export function serveDocs(app: INestApplication, program: Program): void {
  const http = app.getHttpAdapter();
  const assets = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  http.get(ROUTES.docs, (_request: unknown, response: ServerResponse) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8').end(PAGE);
  });
  http.get(`${ROUTES.docs}/openapi.json`, (_request: unknown, response: ServerResponse) => {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(openApiDocument(program)));
  });
  http.get(ROUTES.errors, (_request: unknown, response: ServerResponse) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8').end(errorsPage());
  });
  for (const [name, contentType] of Object.entries(ASSETS)) {
    http.get(`${ROUTES.docs}/${name}`, async (_request: unknown, response: ServerResponse) => {
      response.setHeader('Content-Type', contentType);
      // A reader who leaves early is no failure of ours.
      await pipeline(createReadStream(join(assets, name)), response).catch(() => response.destroy());
    });
  }
}
