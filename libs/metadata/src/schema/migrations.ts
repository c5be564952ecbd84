import { createFirstSchema } from './0001-first-schema.js';
import type { SchemaStep } from './schema-step.js';

/** In order; the first makes version 1. One that was released is never changed: what comes later is a new one. */
export const MIGRATIONS: readonly SchemaStep[] = [createFirstSchema];
