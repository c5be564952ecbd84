import type { z } from 'zod';
import { ConfigError, loadConfig } from './load-config.js';
import { usage } from './usage.js';
import type { ConfigSchema } from './variable.js';

/**
 * For main.ts: the configuration of this process. `--help` prints the usage and exits 0; problems are
 * printed, all at once, and exit 1.
 */
export function configOrExit<S extends ConfigSchema>(program: string, schema: S): Readonly<z.output<S>> {
  if (process.argv.includes('--help')) {
    process.stdout.write(usage(program, schema));
    process.exit(0);
  }
  try {
    return loadConfig(schema, process.env);
  } catch (error) {
    return refuse(program, error);
  }
}

function refuse(program: string, error: unknown): never {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(
    `granary ${program} cannot start; its configuration is wrong:\n\n  ${error.message.replaceAll('\n', '\n  ')}\n\n` +
      `\`granary ${program} --help\` lists all variables.\n`,
  );
  process.exit(1);
}
