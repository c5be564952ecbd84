import { environmentName, noteOfVariable, type ConfigSchema } from './variable.js';

/** The text of --help. */
export function usage(program: string, schema: ConfigSchema): string {
  const lines = variablesOf(schema).map(({ name, note }) => {
    const value = note.required ? 'required' : note.default === undefined ? 'optional' : `default ${note.default}`;
    return `  ${name}\n      ${note.doc}\n      ${note.expected}; ${value}`;
  });
  return `usage: granary ${program} [--help]\n\nIt is configured by environment variables:\n\n${lines.join('\n\n')}\n`;
}

/** One app of the README's table of variables. */
export interface DocumentedApp {
  name: string;
  schema: ConfigSchema;
}

/** A Markdown table of the variables of all apps; a variable that several apps share is one row if it says the same in each. */
export function configTable(apps: readonly DocumentedApp[]): string {
  const rows = new Map<string, string[]>();
  for (const app of apps) {
    for (const { name, note } of variablesOf(app.schema)) {
      const value = note.required ? '**required**' : note.default === undefined ? '' : `\`${note.default}\``;
      const row = [`\`${name}\``, value, note.unit ?? '', note.doc].join(' | ');
      rows.set(row, [...(rows.get(row) ?? []), app.name]);
    }
  }
  const lines = [...rows].map(([row, names]) => `| ${row} | ${names.join(', ')} |`);
  return ['| variable | default | unit | meaning | used by |', '|---|---|---|---|---|', ...lines].join('\n');
}

function variablesOf(schema: ConfigSchema) {
  return Object.keys(schema.shape).map(key => ({ name: environmentName(key), note: noteOfVariable(schema, key) }));
}
