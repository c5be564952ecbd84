/** What of OpenAPI 3.1 this document uses. Whether it is right is checked against OpenAPI's own schema (openapi.spec.ts). */
export interface OpenApiDocument {
  openapi: '3.1.0';
  info: { title: string; version: string; description: string; license: { name: string; url: string } };
  servers: { url: string; description?: string }[];
  tags: { name: string; description: string }[];
  paths: Record<string, Partial<Record<Method, Operation>>>;
  components: { schemas: Record<string, object> };
}

export type Method = 'get' | 'put' | 'head' | 'delete';

export interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { description: string; required: boolean; content: Content };
  responses: Responses;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  description?: string;
  required?: boolean;
  allowEmptyValue?: boolean;
  schema: object;
  example?: string;
}

/** By status. */
export type Responses = Record<string, Response>;

export interface Response {
  description: string;
  headers?: Record<string, Header>;
  content?: Content;
}

export interface Header {
  description: string;
  schema: object;
  example?: string;
}

/** By media type. */
export type Content = Record<
  string,
  { schema?: object; example?: unknown; examples?: Record<string, { value: unknown }> }
>;
