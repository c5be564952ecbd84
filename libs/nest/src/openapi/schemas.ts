import { z } from 'zod';
import {
  addressShape,
  clusterServerShape,
  clusterShape,
  identityShape,
  listedObjectShape,
  listedPrefixShape,
  listedVersionShape,
  liveShape,
  objectPageShape,
  problemShape,
  readinessShape,
  shardPlaceShape,
  statsShape,
  versionPageShape,
} from '#contracts';

const SHAPES = [
  addressShape,
  clusterServerShape,
  clusterShape,
  identityShape,
  listedObjectShape,
  listedPrefixShape,
  listedVersionShape,
  liveShape,
  objectPageShape,
  problemShape,
  readinessShape,
  shardPlaceShape,
  statsShape,
  versionPageShape,
];

/** The JSON shapes of the API, by the ids they have in libs/contracts. */
export function schemasOfContracts(): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const shape of SHAPES) registry.add(shape, { id: idOf(shape) });
  const { schemas } = z.toJSONSchema(registry, {
    io: 'input',
    uri: id => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => {
      // The bounds of safe integers and zod's own expression for dates tell a reader nothing.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    },
  });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $id: _, $schema: __, ...schema }]) => [id, schema]));
}

export function schemaOf(shape: z.ZodType): { $ref: string } {
  return { $ref: `#/components/schemas/${idOf(shape)}` };
}

function idOf(shape: z.ZodType): string {
  const id = shape.meta()?.id;
  if (id === undefined) throw new Error('A shape of the API has no id.');
  return id;
}
