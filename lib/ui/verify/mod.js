// @ts-self-types="./mod.d.ts"
export {
  judgeSignature,
  parseGroupKey,
  parseSignedNote,
  toHex,
  VerificationError,
} from "./note.js";
export { verifyCertificate, verifyMembershipChain } from "./verify.js";
