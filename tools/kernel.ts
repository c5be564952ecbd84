/**
 * `npm run kernel`: assembles the erasure kernel (multiply.wat) into the TypeScript file that the
 * program loads it from. With `--check` it writes nothing and exits 1 when that file is stale.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import loadWabt from 'wabt';
import { writeGenerated } from './write-generated.js';

const SOURCE = 'libs/erasure/src/kernel/multiply.wat';
const wabt = await loadWabt();

await writeGenerated(
  [{ path: 'libs/erasure/src/kernel/multiply-wasm.ts', render: () => toTypeScript(assemble()) }],
  'npm run kernel',
);

function assemble(): Uint8Array {
  const module = wabt.parseWat('multiply.wat', readFileSync(join(process.cwd(), SOURCE), 'utf8'), { simd: true });
  try {
    module.validate();
    return module.toBinary({ write_debug_names: false }).buffer;
  } finally {
    module.destroy();
  }
}

function toTypeScript(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  return `/** multiply.wat, assembled: ${bytes.length} bytes of WebAssembly in base64. Written by \`npm run kernel\`. */
export const MULTIPLY_WASM = [${lines.map(line => `'${line}'`).join(',\n')}].join('');
`;
}
