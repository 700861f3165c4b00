import { equal } from "node:assert/strict";
import { EnvironmentError, messageOf } from "../lib/errors.ts";

Deno.test("messageOf() is an error's message, and the text of anything else that is thrown", () => {
  equal(messageOf(new EnvironmentError("the disk is full")), "the disk is full");
  equal(messageOf("thrown as it is"), "thrown as it is");
  equal(messageOf(undefined), "undefined");
});
