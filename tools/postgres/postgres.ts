/** A PostgreSQL for tests and benchmarks. */
export interface Postgres {
  /** `postgres://user@host:port/database`, of a user that may create databases. */
  readonly url: string;
  /** Where it came from, for people. */
  readonly origin: string;
  /** Ours to stop, kill and pause. One that was given by `POSTGRES_URL` is not: those calls then throw, but `stop`, which does nothing. */
  readonly owned: boolean;
  /** Ends it and removes all it left. */
  stop(): Promise<void>;
  /** As by kill -9 of all its processes. Its data and port stay for `restart`. */
  kill(): Promise<void>;
  /** As by SIGSTOP and SIGCONT of all its processes. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Starts it again on the same port and data, after ending it if it runs. */
  restart(): Promise<void>;
}
