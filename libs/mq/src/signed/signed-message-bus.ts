import { randomBytes } from 'node:crypto';
import { EXCHANGES, MESSAGE_HEADERS, type Exchange, type MessageHeaders } from '#contracts';
import type {
  BusStatus,
  IncomingMessage,
  MessageBus,
  OutgoingMessage,
  Question,
  Subscription,
} from '../message-bus.js';
import { isSignedBy, signMessage } from './message-signature.js';
import { ReplayGuard } from './replay-guard.js';

export interface SignedBusOptions {
  /** 32 bytes, which every server of the cluster has. */
  key: Buffer;
  /** A message or an answer was dropped, since no server of this cluster sent it. `exchange`: where the message, or the question, was published. */
  onRefused: (exchange: Exchange) => void;
}

const NONCE_BYTES = 12;

/**
 * A bus on which servers hear only each other: what it sends is signed, and what is not signed with the
 * same key is dropped unread. A signature covers the exchange, the body and all headers of ours; that
 * of an answer also the question, so that it answers no other. Heartbeats can be recorded and sent again
 * (their boot id and sequence make them stale), as can locate requests (which change nothing); control
 * messages are taken once.
 */
export class SignedMessageBus implements MessageBus {
  readonly #bus: MessageBus;
  readonly #key: Buffer;
  readonly #onRefused: (exchange: Exchange) => void;

  /** Closing it closes the bus. */
  constructor(bus: MessageBus, { key, onRefused }: SignedBusOptions) {
    this.#bus = bus;
    this.#key = key;
    this.#onRefused = onRefused;
  }

  publish(exchange: Exchange, message: OutgoingMessage): Promise<void> {
    const nonce = exchange === EXCHANGES.control ? { [MESSAGE_HEADERS.nonce]: newNonce() } : {};
    return this.#bus.publish(exchange, this.#signed([exchange], message, nonce));
  }

  subscribe(exchange: Exchange, handler: (message: IncomingMessage) => void): Promise<Subscription> {
    const guard = exchange === EXCHANGES.control ? new ReplayGuard() : undefined;
    return this.#bus.subscribe(exchange, message => {
      const isOurs = isSignedBy(this.#key, { ...message, context: [exchange] });
      if (isOurs && guard?.accept(nonceOf(message)) !== false) return handler(bare(message));
      this.#onRefused(exchange);
    });
  }

  ask(
    exchange: Exchange,
    message: OutgoingMessage,
    onAnswer: (answer: IncomingMessage) => void,
    options?: { isolated?: boolean },
  ): Promise<Question> {
    const nonce = newNonce();
    const question = this.#signed([exchange], message, { [MESSAGE_HEADERS.nonce]: nonce });
    const hear = (answer: IncomingMessage): void => {
      if (isSignedBy(this.#key, { ...answer, context: [ANSWER, nonce] })) return onAnswer(bare(answer));
      this.#onRefused(exchange);
    };
    return this.#bus.ask(exchange, question, hear, options);
  }

  answer(question: IncomingMessage, message: OutgoingMessage): Promise<void> {
    return this.#bus.answer(question, this.#signed([ANSWER, nonceOf(question)], message));
  }

  get status(): BusStatus {
    return this.#bus.status;
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#bus.onStatus(listener);
  }

  get reason(): string | undefined {
    return this.#bus.reason;
  }

  close(): Promise<void> {
    return this.#bus.close();
  }

  #signed(context: readonly string[], message: OutgoingMessage, extra: MessageHeaders = {}): OutgoingMessage {
    const headers = { ...message.headers, ...extra };
    const signature = signMessage(this.#key, { context, body: message.body, headers });
    return { ...message, headers: { ...headers, [MESSAGE_HEADERS.signature]: signature } };
  }
}

const ANSWER = 'answer';

function newNonce(): string {
  return randomBytes(NONCE_BYTES).toString('base64url');
}

/** As its sender gave it to the bus; but a question keeps the nonce, which its answer needs. */
function bare(message: IncomingMessage): IncomingMessage {
  const { [MESSAGE_HEADERS.signature]: _signature, [MESSAGE_HEADERS.nonce]: nonce, ...headers } = message.headers;
  const isQuestion = message.replyTo !== undefined && nonce !== undefined;
  return { ...message, headers: isQuestion ? { ...headers, [MESSAGE_HEADERS.nonce]: nonce } : headers };
}

function nonceOf({ headers }: IncomingMessage): string {
  const nonce = headers[MESSAGE_HEADERS.nonce];
  return typeof nonce === 'string' ? nonce : '';
}
