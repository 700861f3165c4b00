/**
 * What Floe uses of `@grpc/grpc-js`. A file of its own, because a bundle loads a CommonJS package by `import()` in
 * another shape than Deno does, and a file that imports it in the same one.
 *
 * @module
 */

export { Server, ServerCredentials, ServerInterceptingCall } from "@grpc/grpc-js";
