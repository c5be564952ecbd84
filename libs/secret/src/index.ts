export { ClusterSecret, type SecretPurpose } from './cluster-secret.js';
export { oneSecret, secretOf, secretVariables, warnWithoutSecret, type SecretConfig } from './secret-variables.js';
export {
  RequestSigner,
  type AnswerVerdict,
  type RequestSignature,
  type SignableRequest,
} from './http/request-signer.js';
export {
  RequestVerifier,
  type RefusalReason,
  type RequestVerifierOptions,
  type Verification,
} from './http/request-verifier.js';
export { NEXT_CHALLENGE_HEADER, PROOF_HEADER, type RequestContent } from './http/signed-request.js';
export { ClusterTls, type ServerTlsOptions } from './tls/cluster-tls.js';
export { consistentTls, tlsVariables, type TlsConfig } from './tls/tls-variables.js';
