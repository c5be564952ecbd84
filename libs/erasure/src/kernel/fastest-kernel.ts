import type { Kernel } from './kernel.js';
import { TableKernel } from './table-kernel.js';
import { WasmKernel } from './wasm-kernel.js';

/** The kernel of this process, chosen once: WebAssembly where it has SIMD, else tables. */
export const fastestKernel: Kernel = WasmKernel.isSupported() ? new WasmKernel() : new TableKernel();
