import { join } from 'node:path';
import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import type { LogicalClock, Member } from '#cluster';
import type { Identity } from '#contracts';
import type { MessageBus } from '#mq';
import { RequestSigner, secretOf, type ClusterTls } from '#secret';
import { RemoteStores } from '#storage/remote';
import type { Logger, Metrics } from '#telemetry';
import { AnnounceController } from '../announce/announce.controller.js';
import { HEARTBEAT_INTERVAL, HeartbeatTask } from '../announce/heartbeat.task.js';
import type { DataServerConfig } from '../config.js';
import { HttpNeighbours } from '../upkeep/http-neighbours.js';
import type { Stores } from '../stores.module.js';
import { ReconcileController } from '../upkeep/reconcile.controller.js';
import { Membership } from './membership.js';
import { proveMember } from './prove-member.js';

export interface MembershipParts {
  config: DataServerConfig;
  identity: Identity;
  advertiseAddress: string;
  stores: Stores;
  clock: LogicalClock;
  bus: MessageBus;
  tls: ClusterTls | undefined;
  logger: Logger;
  metrics: Metrics;
}

/** What a data server in a cluster has beyond a single node: handlers of messages, heartbeat, reconcile. */
@Module({})
export class ClusterModule {
  static of(membership: Membership, heartbeatIntervalMs: number): DynamicModule {
    return {
      module: ClusterModule,
      imports: [ScheduleModule.forRoot()],
      controllers: [AnnounceController, ReconcileController],
      providers: [
        { provide: Membership, useValue: membership },
        { provide: HEARTBEAT_INTERVAL, useValue: heartbeatIntervalMs },
        HeartbeatTask,
      ],
    };
  }
}

/** The membership of a server that speaks to the others over HTTP. Its `stop` closes the connections to them. */
export async function openMembership(parts: MembershipParts): Promise<Membership> {
  const { config, identity, advertiseAddress, stores, tls, ...shared } = parts;
  const key = secretOf(config)?.key('http');
  const remote = new RemoteStores({
    ...(tls !== undefined && { tls }),
    ...(key !== undefined && { signer: new RequestSigner(key) }),
    health: {
      onAnswer: address => tell(address, member => membership.view.answered(member)),
      onFailure: address => tell(address, member => membership.view.suspect(member)),
    },
  });
  const membership = await Membership.open({
    ...config,
    ...identity,
    ...shared,
    store: stores.objects,
    usage: stores.usage,
    address: advertiseAddress,
    neighbours: own => new HttpNeighbours(own, remote),
    prove: proveMember(call => remote.call(call)),
    memberFilePath: join(config.storageRoot, 'members.json'),
  });
  return membership;

  function tell(address: string, action: (member: Member) => void): void {
    const member = membership.view.at(address);
    if (member !== undefined) action(member);
  }
}
