/**
 * `GET /openapi.json`: the API as an OpenAPI 3.1 document, made from the schemas that validate and from the table
 * of operations.
 *
 * @module
 */

import * as z from "zod";
import { PROBLEM_MEDIA_TYPE, problemSchema, RAW_MEDIA_TYPE } from "../wire/mod.ts";
import {
  OWN_SCHEMAS,
  type ParameterName,
  PARAMETERS,
  PATH_SCHEMAS,
  type ValueSchema,
} from "./operation_parameters.ts";
import { type NamedSchema, type Operation, OPERATIONS } from "./operations.ts";
import { PROBLEM_STATUS } from "./problem.ts";

type Json = Readonly<Record<string, unknown>>;

/** The answers that every route can give. */
const COMMON_STATUSES = [400, 403, 413, 421, 500];
/** The routes that answer while the cluster has no key. */
const KEYLESS = ["GET /v1/dkg", "GET /livez", "GET /openapi.json"];

/** Writes the document, for nodes of this version. */
export function describeApi(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [route, operation] of Object.entries(OPERATIONS)) {
    const [method = "", path = ""] = route.split(" ");
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: describeOperation(operation, { route, path }),
    };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Floe",
      version,
      license: { name: "MIT", identifier: "MIT" },
      description: "The API of every node of a Floe cluster. docs/api.md says more.",
    },
    paths,
    components: {
      schemas: describeSchemas(),
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "A token of the cluster. An API on loopback without tokens asks for none.",
        },
      },
    },
  };
}

function describeOperation(
  operation: Operation,
  { route, path }: { readonly route: string; readonly path: string },
): Json {
  const { id, summary, needs, body } = operation;
  return {
    operationId: id,
    summary,
    ...(needs === null ? { security: [] } : { security: [{ token: [] }], "x-floe-scope": needs }),
    parameters: describeParameters(operation, path),
    ...(body === null ? {} : { requestBody: { required: true, content: describeBody(body) } }),
    responses: describeResponses(operation, route),
  };
}

function describeParameters({ id, query, headers }: Operation, path: string): readonly Json[] {
  const inPath = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => {
    return { name, in: "path", required: true, schema: PATH_SCHEMAS[path] };
  });
  const describe = (place: string) => (name: ParameterName) => {
    const { description, schema } = PARAMETERS[name];
    return { name, in: place, description, schema: OWN_SCHEMAS[`${id} ${name}`] ?? schema };
  };
  return [...inPath, ...query.map(describe("query")), ...headers.map(describe("header"))];
}

function describeBody(body: NamedSchema | typeof RAW_MEDIA_TYPE): Json {
  return body === RAW_MEDIA_TYPE ? { [body]: {} } : { "application/json": { schema: refer(body) } };
}

function describeResponses(operation: Operation, route: string): Json {
  const { answer, otherAnswers } = operation;
  const whole = answer === null && otherAnswers.length === 0;
  const content = {
    ...(whole ? { "application/json": { schema: { type: "object" } } } : {}),
    ...(answer === null ? {} : { "application/json": { schema: refer(answer) } }),
    ...Object.fromEntries(otherAnswers.map((type) => [type, describeOther(type)])),
  };
  const problems = statusesOf(operation, route).map((status) => [status, describeProblem(status)]);
  return { "200": { description: "Done", content }, ...Object.fromEntries(problems) };
}

function describeOther(type: Operation["otherAnswers"][number]): Json {
  return type === RAW_MEDIA_TYPE ? {} : { schema: { type: "string" } };
}

function statusesOf({ needs, problems }: Operation, route: string): readonly number[] {
  const statuses = [...COMMON_STATUSES, ...problems];
  if (needs !== null) statuses.push(401);
  if (!KEYLESS.includes(route)) statuses.push(503);
  return [...new Set(statuses)].toSorted((left, right) => left - right);
}

function describeProblem(status: number): Json {
  const codes = Object.entries(PROBLEM_STATUS).filter(([, of]) => of === status).map(([code]) =>
    code
  );
  const schema = { $ref: "#/components/schemas/Problem" };
  return { description: codes.join(", "), content: { [PROBLEM_MEDIA_TYPE]: { schema } } };
}

function refer({ name }: NamedSchema): Json {
  return { $ref: `#/components/schemas/${name}` };
}

/** Every body by its name. A client can leave out fields that have a default. */
function describeSchemas(): Json {
  const all = Object.values(OPERATIONS);
  const taken = all.flatMap(({ body }) => body === null || body === RAW_MEDIA_TYPE ? [] : [body]);
  const given = all.flatMap(({ answer }) => answer === null ? [] : [answer]);
  const problem = { name: "Problem", schema: problemSchema };
  return { ...toSchemas(taken, "input"), ...toSchemas([...given, problem], "output") };
}

/** A transaction contains itself, so its parts need names; a part without one gets its name from its owner. */
function toSchemas(bodies: readonly NamedSchema[], io: "input" | "output"): Json {
  const schemas: Record<string, ValueSchema> = {};
  for (const { name, schema } of bodies) {
    const { $schema: _schema, $defs = {}, ...own } = z.toJSONSchema(schema, {
      io,
      override: toOpenApi(io),
    });
    const text = JSON.stringify({ [name]: own, ...prefixed(name, $defs) })
      .replaceAll('"#/$defs/', `"#/components/schemas/${name}.`)
      .replaceAll('"$ref":"#"', `"$ref":"#/components/schemas/${name}"`);
    Object.assign(schemas, JSON.parse(text));
  }
  return schemas;
}

/**
 * In OpenAPI, a read-only field is never sent by clients. A later version can answer with more fields than this
 * one.
 */
function toOpenApi(io: "input" | "output") {
  return ({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
    delete jsonSchema.readOnly;
    if (io === "output" && jsonSchema.additionalProperties === false) {
      delete jsonSchema.additionalProperties;
    }
  };
}

function prefixed(name: string, parts: Json): Json {
  return Object.fromEntries(Object.entries(parts).map(([part, of]) => [`${name}.${part}`, of]));
}
