/** A RabbitMQ for tests and for `npm run cluster`. */
export interface Broker {
  /** `amqp://user:password@host:port` */
  readonly url: string;
  /** Where it came from, for people. */
  readonly origin: string;
  /** Ours to stop, kill and pause. One that was given by `RABBITMQ_SERVER` is not: those calls then throw, but `stop`, which does nothing. */
  readonly owned: boolean;
  /** The Erlang process, when it runs on this machine and is ours. */
  readonly pid: number | undefined;
  /** Ends it and removes all it left. */
  stop(): Promise<void>;
  /** As by kill -9. Its data and ports stay for `restart`. */
  kill(): Promise<void>;
  /** As by SIGSTOP and SIGCONT. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Starts it again on the same ports and data, after ending it if it runs. */
  restart(): Promise<void>;
  /** Runs rabbitmqctl and resolves to what it printed. */
  ctl(...args: string[]): Promise<string>;
}
