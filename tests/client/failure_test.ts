import { equal, match } from "node:assert/strict";
import { failureOfError } from "../../lib/client/failure.ts";

const CONNECT = "client error (Connect): ";

/** What Deno says of an endpoint, and what a person is told. */
const REASONS = [
  [`${CONNECT}tcp connect error: Connection refused (os error 111)`, /^connection refused$/],
  [
    `${CONNECT}invalid peer certificate: UnknownIssuer`,
    /^its certificate is not trusted: UnknownIssuer\. Name the file with the certificates to trust with --ca-file$/,
  ],
  [
    `${CONNECT}invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))`,
    /^its certificate is not trusted: it is a CA's.* CA:FALSE$/,
  ],
  [
    `${CONNECT}received corrupt message of type InvalidContentType`,
    /^it does not speak HTTPS; ask it without https:\/\/ and --ca-file$/,
  ],
  ["client error (SendRequest): invalid HTTP version parsed", /^it does not speak HTTP; /],
] as const;

for (const [message, reason] of REASONS) {
  Deno.test(`failureOfError() tells people of "${message}"`, () => {
    const cause = new Error(message);
    match(failureOfError(new TypeError("error sending request", { cause })).reason, reason);
  });
}

Deno.test("failureOfError() excludes a write only where the request was not sent", () => {
  for (const [message] of REASONS) {
    const { maybeApplied, notReached } = failureOfError(new Error(message));
    equal(maybeApplied, !message.startsWith(CONNECT));
    equal(notReached !== null, message.startsWith(CONNECT));
  }
});

Deno.test("failureOfError() names words of Deno that it does not know by their end", () => {
  equal(failureOfError(new Error("a: b: Broken Thing (os error 5)")).reason, "broken thing");
});
