import { readFile } from 'node:fs/promises';
import { run } from '../broker/run.js';

/** A process and its children, the process itself first. */
export async function processTree(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => askPs(pid));
  const pids = children.split(/\s+/).filter(text => text !== '');
  return [pid, ...pids.map(Number)];
}

/** Where there is no /proc. */
async function askPs(pid: number): Promise<string> {
  const table = (await run('ps', ['-A', '-o', 'pid=,ppid='])).split('\n').map(line => line.trim().split(/\s+/));
  return table.flatMap(([child, parent]) => (child !== undefined && parent === `${pid}` ? [child] : [])).join(' ');
}
