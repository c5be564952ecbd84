import type { Readiness } from '#contracts';

/** One thing that a server depends on, as it is now. */
export interface Dependency {
  name: string;
  /** Why it is missing, for people; undefined while it is there. */
  missing: string | undefined;
  /** Without it, nothing can be served; else the server is merely degraded. */
  isVital: boolean;
}

export function readinessOf(dependencies: readonly Dependency[]): Readiness {
  const missing = dependencies.filter(dependency => dependency.missing !== undefined);
  const isUnavailable = missing.some(({ isVital }) => isVital);
  return {
    status: isUnavailable ? 'unavailable' : missing.length > 0 ? 'degraded' : 'ok',
    missing: missing.map(({ name }) => name),
    detail: missing.map(dependency => `${dependency.name}: ${dependency.missing}`),
  };
}
