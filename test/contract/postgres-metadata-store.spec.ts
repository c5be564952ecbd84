import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { openPostgresMetadata } from '#metadata/postgres';
import { describeMetadataStore } from '#metadata/testing';
import { startPostgres, type Postgres } from '../../tools/postgres.js';
import { freshDatabase } from '../harness/fresh-database.js';

let server: Postgres;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

it('answers nothing after it was closed, but that', async () => {
  const database = await freshDatabase(server.url);
  const store = await openPostgresMetadata(database);
  await store.ping();
  await store.close();
  await store.close();
  await expect(store.ping()).rejects.toMatchObject({ code: 'metadata-unavailable' });
  await database.drop();
});

it('refuses a database of a newer schema', async () => {
  const database = await freshDatabase(server.url);
  await (await openPostgresMetadata(database)).close();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('update schema_version set version = 99');
  await client.end();
  await expect(openPostgresMetadata(database)).rejects.toMatchObject({ code: 'metadata-incompatible' });
  await database.drop();
});

describeMetadataStore('PostgreSQL', async () => {
  const database = await freshDatabase(server.url);
  // Both at once: one migrates, the other waits for it.
  const stores = await Promise.all([openPostgresMetadata(database), openPostgresMetadata(database)]);
  return {
    stores,
    dispose: async () => {
      await Promise.all(stores.map(store => store.close()));
      await database.drop();
    },
  };
});
