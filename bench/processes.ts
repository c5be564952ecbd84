import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';

/** Clock ticks per second in /proc/<pid>/stat: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds, user and system, that the processes have used so far. Those that are gone count nothing. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (statOf(pid)?.cpuTicks ?? 0), 0) / TICKS_PER_SECOND;
}

/** Peak resident bytes of each process. */
export function peakRssBytes(pids: readonly number[]): number[] {
  return pids.map(pid => {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '');
    return Number(match?.[1] ?? 0) * 1024;
  });
}

/** Starts the peak anew, where the kernel lets us. */
export function resetPeakRss(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // Not ours to reset: the peak since its start is reported then.
    }
  }
}

/** The processes and all that descend from them. */
export function withChildren(pids: readonly number[]): number[] {
  const parents = allPids().map(pid => ({ pid, parent: statOf(pid)?.parent }));
  const family = new Set(pids);
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const { pid, parent } of parents) if (parent !== undefined && family.has(parent)) family.add(pid);
  }
  return [...family];
}

/** The processes that listen on a TCP port of this address, or of all, by /proc alone. */
export function pidsListeningOn(host: string, port: number): number[] {
  const addresses = [...ANY_ADDRESS, ...addressesOf(host)];
  const sockets = new Set(
    tcpSockets()
      .filter(socket => socket.listening && socket.localPort === port && addresses.includes(socket.localAddress))
      .map(socket => `socket:[${socket.inode}]`),
  );
  return allPids().filter(pid => descriptors(pid).some(target => sockets.has(target)));
}

/** Established connections to a local TCP port, seen from the side that listens. */
export function connectionsTo(port: number): number {
  return tcpSockets().filter(socket => socket.established && socket.localPort === port).length;
}

/** 0.0.0.0 and :: as /proc/net writes them. */
const ANY_ADDRESS = ['0'.repeat(8), '0'.repeat(32)];

/** As /proc/net/tcp and tcp6 write it: each word of four bytes with its last byte first. */
function addressesOf(host: string): string[] {
  const [a = 127, b = 0, c = 0, d = 1] = host === 'localhost' ? [] : host.split('.').map(Number);
  const ipv4 = Buffer.from([d, c, b, a]).toString('hex').toUpperCase();
  return [ipv4, `0000000000000000FFFF0000${ipv4}`];
}

interface TcpSocket {
  localAddress: string;
  localPort: number;
  listening: boolean;
  established: boolean;
  inode: string;
}

function tcpSockets(): TcpSocket[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(path =>
    (read(path) ?? '')
      .split('\n')
      .slice(1)
      .filter(line => line.trim() !== '')
      .map(line => {
        const fields = line.trim().split(/\s+/);
        const [localAddress = '', port = '0'] = fields[1]?.split(':') ?? [];
        const localPort = Number.parseInt(port, 16);
        return {
          localAddress,
          localPort,
          listening: fields[3] === '0A',
          established: fields[3] === '01',
          inode: fields[9] ?? '',
        };
      }),
  );
}

function statOf(pid: number): { parent: number; cpuTicks: number } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The command's name, in parentheses, may contain anything; the fields after it are counted from 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

function allPids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
