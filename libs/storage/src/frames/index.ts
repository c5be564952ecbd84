export type { FrameEndpointOptions, Operation, ServedStore } from './server/endpoint-options.js';
export { FrameEndpoint } from './server/frame-endpoint.js';
