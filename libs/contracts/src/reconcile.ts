import { z } from 'zod';
import type { KeyHash } from './object-name.js';

/** What data servers say to each other over HTTP about copies that are not where they belong (docs/protocol/reconcile.md). */

/** Notes per request, so that neither side is busy with one for long. */
export const MAX_NOTES = 500;

const serverIdShape = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

export const noteShape = z.object({
  hash: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .transform(hash => hash as KeyHash),
  stamp: z.int().min(0),
  removed: z.boolean(),
});
/** "I hold this": one entry of the sender's catalog. */
export type Note = z.infer<typeof noteShape>;

export const reconcileRequestShape = z.object({
  from: serverIdShape,
  fromBoot: serverIdShape,
  /** The server that is meant, so that a successor at its address does not answer for it. */
  to: serverIdShape,
  toBoot: serverIdShape,
  notes: z.array(noteShape).max(MAX_NOTES),
  /** Asks nothing: the sender has told a joining server all it has to tell. */
  done: z.boolean().optional(),
});
export type ReconcileRequest = z.infer<typeof reconcileRequestShape>;

export const verdictShape = z.discriminatedUnion('is', [
  /** The receiver holds an older one, or none: a copy is wanted. */
  z.object({ is: z.literal('wanted') }),
  /** The receiver holds a newer one. */
  z.object({ is: z.literal('older') }),
  /** The receiver holds one with the same stamp; of copies, the greater entity tag counts as the newer. */
  z.object({ is: z.literal('same'), etag: z.string().max(128).optional() }),
  /** The receiver may be about to drop its own: ask again later. */
  z.object({ is: z.literal('busy') }),
]);
/** About one note. */
export type Verdict = z.infer<typeof verdictShape>;

export const reconcileAnswerShape = z.object({ verdicts: z.array(verdictShape).max(MAX_NOTES) });
export type ReconcileAnswer = z.infer<typeof reconcileAnswerShape>;
