export type { ClientTls } from './connect-socket.js';
export type { ServerHealthListener } from './connection-pool.js';
export { RemoteStores, type DataServerKind, type RemoteStoresOptions, type StoreAtOptions } from './remote-stores.js';
