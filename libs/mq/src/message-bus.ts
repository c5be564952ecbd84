import type { Exchange, MessageHeaders } from '#contracts';

/**
 * Small control messages between servers. Fanout, at most once, unordered across senders, lossy by
 * design: nothing here is ever the truth about what exists. RabbitMQ and the in-process bus pass one
 * contract suite (testing/).
 */
export interface MessageBus {
  /**
   * Hands the message to every present subscriber of the exchange. Resolves when the broker's side
   * has it; rejects within 2 s when it cannot be sent now. Never queued for later: what was not sent
   * while the broker was away is not sent when it is back.
   */
  publish(exchange: Exchange, message: OutgoingMessage): Promise<void>;

  /**
   * Delivers messages until closed, across reconnections. Resolves when it is in effect, or at once while
   * the broker is away. A message over 64 KiB is dropped and counted. A handler that throws is logged and
   * counted, and harms nobody else.
   */
  subscribe(exchange: Exchange, handler: (message: IncomingMessage) => void): Promise<Subscription>;

  /**
   * Publishes a question with a reply address and passes each answer to `onAnswer` until the
   * question is closed; later answers are dropped. The caller sets the deadline by closing.
   * `isolated`: some servers echo no correlation id, so the answers must come over a reply address
   * that no other question in flight or before shares. Such questions may wait for one of a bounded
   * number of addresses. Rejects like publish. The first answers may come before the promise resolves.
   * A question does not survive the loss of the broker: it just gets no more answers, so silence means
   * "nobody" only if the status was `up` throughout.
   */
  ask(
    exchange: Exchange,
    message: OutgoingMessage,
    onAnswer: (answer: IncomingMessage) => void,
    options?: { isolated?: boolean },
  ): Promise<Question>;

  /**
   * Answers a message that came with `replyTo`, echoing its correlation id. Resolves once the answer is
   * on its way; rejects when it cannot be sent now. A vanished asker is no error.
   */
  answer(question: IncomingMessage, message: OutgoingMessage): Promise<void>;

  /** `up` only while messages are known to pass: connected, not blocked, and our own ping came back lately. */
  readonly status: BusStatus;
  /** Called at each change. Returns how to stop. A bus starts `down`, and is worth talking to when it comes `up`. */
  onStatus(listener: (status: BusStatus) => void): () => void;

  /** Why the bus is down, for people; undefined while up. No secrets. */
  readonly reason: string | undefined;

  /** Idempotent. Ends all subscriptions and questions; what is sent after it rejects. */
  close(): Promise<void>;
}

export type BusStatus = 'up' | 'down';

export interface OutgoingMessage {
  body: Buffer;
  headers?: MessageHeaders;
  /** The broker discards the message when it was not delivered by then. */
  ttlMs?: number;
}

export interface IncomingMessage {
  body: Buffer;
  headers: MessageHeaders;
  replyTo?: string;
  correlationId?: string;
}

export interface Subscription {
  close(): Promise<void>;
}

export interface Question {
  /** Idempotent. No answer is passed on after it. */
  close(): void;
}
