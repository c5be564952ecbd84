import type { Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { drainServer } from '#http';
import type { Logger } from '#telemetry';

/** How long clients may still use connections that they believe to be open. */
const DRAIN_GRACE_MS = 300;

/** Lets the requests in progress finish, until the deadline, and takes no new connections. */
export async function drainApplication(
  app: INestApplication<Server>,
  deadlineMs: number,
  logger: Logger,
): Promise<void> {
  const { cutRequests } = await drainServer(app.getHttpServer(), { graceMs: DRAIN_GRACE_MS, deadlineMs });
  if (cutRequests > 0) {
    logger.warn({ cutRequests }, 'requests were still in progress at the deadline, and were cut off');
  }
}
