import { run } from './run.js';

/**
 * The command to run a program so that it is killed when we die, even by SIGKILL; the plain program
 * where util-linux's setpriv is missing.
 */
export async function dieWithUs(program: string, ...args: string[]): Promise<{ program: string; args: string[] }> {
  const guard = ['--pdeathsig', 'KILL'];
  return run('setpriv', [...guard, 'true']).then(
    () => ({ program: 'setpriv', args: [...guard, program, ...args] }),
    () => ({ program, args }),
  );
}
