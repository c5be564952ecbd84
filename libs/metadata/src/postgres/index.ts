export { openPostgresMetadata, type PostgresMetadataOptions } from './open-postgres-metadata.js';
