/**
 * Cedar's engine, WebAssembly of 4 MB, loaded when it is first asked: a process that never reads a policy doesn't pay for
 * it, and one that does has set how it is to be compiled before (platform/engine.ts).
 */
import { createRequire } from 'node:module';

type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs');

let loaded: Cedar | undefined;
const cedar = (): Cedar =>
  (loaded ??= createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs') as Cedar);

export const checkParsePolicySet: Cedar['checkParsePolicySet'] = (policies) =>
  cedar().checkParsePolicySet(policies);
export const formatPolicies: Cedar['formatPolicies'] = (call) => cedar().formatPolicies(call);
export const policySetTextToParts: Cedar['policySetTextToParts'] = (text) =>
  cedar().policySetTextToParts(text);
export const policyToJson: Cedar['policyToJson'] = (policy) => cedar().policyToJson(policy);
export const policyToText: Cedar['policyToText'] = (policy) => cedar().policyToText(policy);
export const preparsePolicySet: Cedar['preparsePolicySet'] = (id, policies) =>
  cedar().preparsePolicySet(id, policies);
export const preparseSchema: Cedar['preparseSchema'] = (id, schema) => cedar().preparseSchema(id, schema);
export const schemaToJson: Cedar['schemaToJson'] = (schema) => cedar().schemaToJson(schema);
export const statefulIsAuthorized: Cedar['statefulIsAuthorized'] = (call) =>
  cedar().statefulIsAuthorized(call);
export const validate: Cedar['validate'] = (call) => cedar().validate(call);
