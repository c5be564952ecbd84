export { configOrExit } from './config-or-exit.js';
export {
  brokerUrl,
  byteSize,
  choice,
  count,
  directories,
  directory,
  durationMs,
  durationSeconds,
  listenAddress,
  maskPassword,
  metadataUrl,
  onOff,
  serverAddress,
  serverId,
  zoneName,
  type Kind,
  type ListenAddress,
} from './kinds.js';
export { ConfigError, loadConfig, type Environment } from './load-config.js';
export { programVersion } from './program-version.js';
export { DAY_MS, logVariables, membershipVariables, serverVariables } from './shared-variables.js';
export { configTable, usage, type DocumentedApp } from './usage.js';
export { defaulted, derived, optional, required, type ConfigSchema } from './variable.js';
