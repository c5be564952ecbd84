import { z } from 'zod';
import type { Kind } from './kinds.js';

/** What people are told of a variable: in --help, in the README, and when its value is wrong. */
export interface VariableNote {
  doc: string;
  expected: string;
  unit?: string;
  /** As text, for people. Undefined when there is none. */
  default?: string;
  required: boolean;
  show: (text: string) => string;
}

/** The schema of an app: its keys in camelCase are the variables' names (`storageRoot` is STORAGE_ROOT). */
export type ConfigSchema = z.ZodObject<Record<string, z.ZodType>>;

const notes = z.registry<VariableNote>();

export function required<T>(kind: Kind<T>, doc: string) {
  const schema = textOf(kind);
  notes.add(schema, { ...noteOf(kind, doc), required: true });
  return schema;
}

export function optional<T>(kind: Kind<T>, doc: string) {
  const schema = textOf(kind).optional();
  notes.add(schema, noteOf(kind, doc));
  return schema;
}

/** `shownDefault` is for people, where the default depends on the machine. */
export function defaulted<T>(kind: Kind<T>, defaultText: string, doc: string, shownDefault = defaultText) {
  const schema = textOf(kind).prefault(defaultText);
  notes.add(schema, { ...noteOf(kind, doc), default: shownDefault });
  return schema;
}

/** Like `optional`, for what is found out at start when it is not set; `shownDefault` says how. */
export function derived<T>(kind: Kind<T>, shownDefault: string, doc: string) {
  const schema = textOf(kind).optional();
  notes.add(schema, { ...noteOf(kind, doc), default: shownDefault });
  return schema;
}

export function noteOfVariable(schema: ConfigSchema, key: string): VariableNote {
  const variable = schema.shape[key];
  const note = variable === undefined ? undefined : notes.get(variable);
  if (note === undefined) throw new Error(`The configuration schema has no documented variable "${key}".`);
  return note;
}

/** `maxObjectSizeBytes` is MAX_OBJECT_SIZE_BYTES. */
export function environmentName(key: string): string {
  return key.replace(/[A-Z]/g, capital => `_${capital}`).toUpperCase();
}

function textOf<T>(kind: Kind<T>) {
  return z.string().transform((text, context): T => {
    const value = kind.parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${kind.expected}` });
    return z.NEVER;
  });
}

function noteOf<T>(kind: Kind<T>, doc: string): VariableNote {
  return {
    doc,
    expected: kind.expected,
    required: false,
    show: kind.show ?? (text => text),
    ...(kind.unit === undefined ? {} : { unit: kind.unit }),
  };
}
