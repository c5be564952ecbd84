import type { z } from 'zod';
import { environmentName, noteOfVariable, type ConfigSchema } from './variable.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Its message lists every problem, one a line, with no secret in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads and checks all variables of the schema. An empty one counts as not set. Throws ConfigError. */
export function loadConfig<S extends ConfigSchema>(schema: S, env: Environment): Readonly<z.output<S>> {
  const texts = textsOf(schema, env);
  const result = schema.safeParse(texts);
  if (!result.success) {
    throw new ConfigError(result.error.issues.map(issue => describeProblem(schema, texts, issue)).join('\n'));
  }
  return Object.freeze(result.data);
}

function textsOf(schema: ConfigSchema, env: Environment): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const key of Object.keys(schema.shape)) {
    const text = env[environmentName(key)];
    if (text !== undefined && text.trim() !== '') texts[key] = text;
  }
  return texts;
}

function describeProblem(schema: ConfigSchema, texts: Record<string, string>, issue: z.core.$ZodIssue): string {
  const key = String(issue.path[0]);
  const note = noteOfVariable(schema, key);
  const name = environmentName(key);
  const text = texts[key];
  if (text !== undefined) return `${name}=${note.show(text)}: ${issue.message}`;
  return note.required ? `${name} is not set: expected ${note.expected}` : `${name}: ${issue.message}`;
}
