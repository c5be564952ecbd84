import { ERROR_CODES } from '#contracts';
import type { GeneratedPage } from './generated-page.js';

/** The table of every code that a refusal can carry. */
export const errorDocs: GeneratedPage = {
  path: 'docs/errors.md',
  render: () => `# Error codes

Every refusal and failure is \`application/problem+json\` (RFC 9457):

\`\`\`json
{
  "type": "/docs/errors#object-not-found",
  "title": "No object has this name.",
  "status": 404,
  "code": "object-not-found",
  "detail": "There is no object named \\"photos/2026/harbour.jpg\\".",
  "requestId": "5f1c2a9be3d0-7k"
}
\`\`\`

\`code\` is stable; \`title\` and \`detail\` are for people. \`requestId\` is also in \`X-Request-Id\` and in every log line
about the request; \`LOG_LEVEL=debug\` logs every refusal, the default those with a status of 500 and more. Every server
shows this table at \`/docs/errors\`, where \`type\` leads.
Every 503 has \`Retry-After\`. This page is generated from \`libs/contracts/src/errors.ts\` by \`npm run docs\`.

| code | status | meaning |
|---|---|---|
${rows().join('\n')}
`,
};

function rows(): string[] {
  return Object.entries(ERROR_CODES).map(
    ([code, { status, title }]) => `| <a id="${code}"></a>\`${code}\` | ${status} | ${title} |`,
  );
}
