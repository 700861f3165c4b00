import { deepEqual, throws } from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import type { EndpointResult } from "../../lib/client/client.ts";
import { ClientError, failureOfError } from "../../lib/client/failure.ts";
import { toView, toViewJson } from "../../lib/cli/session.ts";

const ENDPOINT = { url: "http://a:1", label: "a:1", id: "server_1" };
const ANSWER: EndpointResult = {
  kind: "answer",
  answer: { endpoint: ENDPOINT, body: encodeUtf8("7") },
};
const FAILURE: EndpointResult = {
  kind: "failure",
  endpoint: ENDPOINT,
  failure: failureOfError(new DOMException("late", "TimeoutError")),
};

Deno.test("toView() has what a node says, and why it says nothing", () => {
  const read = () => ({ id: "server_9" });
  deepEqual(toView(ANSWER, read), { endpoint: ENDPOINT, body: { id: "server_9" }, error: null });
  deepEqual(toView(FAILURE, read), { endpoint: ENDPOINT, body: null, error: "no answer in time" });
});

Deno.test("toView() says of an answer that is none what it is not", () => {
  const read = () => {
    throw new ClientError("failure", "not JSON");
  };
  const error = "does not answer like Floe's API";
  deepEqual(toView(ANSWER, read), { endpoint: ENDPOINT, body: null, error });
});

Deno.test("toView() hides no error of Floe's own", () => {
  const read = () => {
    throw new TypeError("a bug");
  };
  throws(() => toView(ANSWER, read), TypeError);
});

Deno.test("toViewJson() keeps the node's own name over the configuration's", () => {
  const reached = toView(ANSWER, () => ({ id: "server_9" }));
  deepEqual(toViewJson(reached), { endpoint: "a:1", reachable: true, id: "server_9" });
  deepEqual(toViewJson(toView(FAILURE, () => ({}))), {
    endpoint: "a:1",
    reachable: false,
    id: "server_1",
    error: "no answer in time",
  });
});
