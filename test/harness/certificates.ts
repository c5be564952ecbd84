import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDirectory } from './temp-directory.js';

/** Paths of PEM files. */
export interface Certificate {
  cert: string;
  key: string;
}

/** A certificate authority of this test run alone, made with openssl. */
export class Authority {
  private readonly directory = tempDirectory('authority');
  private serial = 0;
  readonly ca = join(this.directory, 'ca.pem');
  private readonly caKey = join(this.directory, 'ca.key');

  constructor(name: string) {
    this.openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
      '-keyout',
      this.caKey,
      '-out',
      this.ca,
    );
  }

  /** Names the addresses (without ports) of servers; as good for clients. */
  issue(addresses: readonly string[]): Certificate {
    const base = join(this.directory, String(++this.serial));
    const [cert, key, request, extensions] = ['.pem', '.key', '.csr', '.ext'].map(end => base + end) as [
      string,
      string,
      string,
      string,
    ];
    writeFileSync(extensions, `subjectAltName=${addresses.map(address => `IP:${address}`).join(',')}\n`);
    this.openssl('req', ...NEW_KEY, '-subj', `/CN=server ${this.serial}`, '-keyout', key, '-out', request);
    const signer = ['-CA', this.ca, '-CAkey', this.caKey, '-CAcreateserial'];
    this.openssl('x509', '-req', '-in', request, ...signer, '-days', '2', '-extfile', extensions, '-out', cert);
    return { cert, key };
  }

  private openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}

/** What node:tls takes. */
export function pemsOf({ cert, key }: Certificate, ca: string): { cert: string; key: string; ca: string } {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8'), ca: readFileSync(ca, 'utf8') };
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;
