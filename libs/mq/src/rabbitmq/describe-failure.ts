/** An error in words for logs and for people. Messages of amqplib and node:net name hosts and users, never passwords; other fields of an error may. */
export function describeFailure(error: unknown): string {
  // What node:net throws when every address of a host refused; its own message is empty.
  if (error instanceof AggregateError) return error.errors.map(describeFailure).join('; ');
  const message = error instanceof Error ? error.message : String(error);
  // amqplib drops what the broker says when it closes the connection at this point of the handshake.
  return message.startsWith('Expected ConnectionOpenOk; got <ConnectionClose') ? VIRTUAL_HOST_REFUSED : message;
}

const VIRTUAL_HOST_REFUSED =
  'the broker refused access to the virtual host: it does not exist, or the user has no permissions in it';
