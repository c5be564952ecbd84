import { GranaryError } from '#contracts';

/** Bytes came otherwise than they were sent. */
export class DamagedTransfer extends GranaryError {
  constructor() {
    super('request-malformed', 'The bytes of an object have another checksum than they were sent with.');
  }
}

/** Throws DamagedTransfer unless what came has the checksum that its sender told, if it told one. */
export function checkTransfer(came: number, sent: number | undefined): void {
  if (sent !== undefined && came !== sent) throw new DamagedTransfer();
}
