export { openSqliteMetadata, type SqliteMetadataOptions } from './open-sqlite-metadata.js';
