import type { Socket } from 'node:net';

/** Sends the bytes cut at these offsets, which ascend: a piece in each turn of the event loop. */
export function sendInPieces(socket: Socket, bytes: Buffer, cuts: readonly number[]): void {
  const marks = [0, ...cuts, bytes.length];
  const sendFrom = (piece: number): void => {
    socket.write(bytes.subarray(marks[piece], marks[piece + 1]));
    if (piece + 2 < marks.length) setImmediate(() => sendFrom(piece + 1));
  };
  sendFrom(0);
}
