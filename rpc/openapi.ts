/** The OpenAPI 3.1 document, made from the route table and the zod schemas: nothing is said twice. */
import { z } from 'zod'
import { eventBody } from './event-shapes.ts'
import type { Route } from './rest.ts'
import { routes } from './rest.ts'
import { methods } from './schema.ts'

type Json = Readonly<Record<string, unknown>>

export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, unknown>> = {
    '/rpc': { post: rpcOperation() },
    '/v1/events': { get: eventsOperation() },
    '/healthz': { get: { summary: 'Answers while the daemon runs', responses: { 200: { description: 'It runs' } } } },
    '/metrics': { get: { summary: 'Prometheus metrics', responses: { 200: { description: 'Text format 0.0.4', content: { 'text/plain': {} } } } } },
  }
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.verb]: operation(route) }
  }
  return { openapi: '3.1.0', info: { title: 'p2psync', version }, paths, components: { schemas: { Error: ERROR } } }
}

const ERROR = {
  type: 'object',
  properties: { error: { type: 'object', properties: { code: { type: 'string' }, message: { type: 'string' } }, required: ['code', 'message'] } },
  required: ['error'],
}

function operation(route: Route): Json {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map((match) => String(match[1]))
  const { properties, required } = paramsOf(route)
  const others = Object.keys(properties).filter((name) => !inPath.includes(name))
  const query = route.verb === 'get' ? others : []
  return {
    summary: methods[route.method].summary,
    operationId: `${route.verb} ${route.path}`.replace(/\W+/g, '-'),
    parameters: [
      ...inPath.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...query.map((name) => ({ name, in: 'query', required: required.includes(name), schema: properties[name] })),
    ],
    ...(route.verb === 'get' || others.length === 0 ? {} : { requestBody: body(others, properties, required) }),
    responses: {
      [route.status ?? 200]: { description: 'Done', ...json(route.pick === undefined ? schemaOf(methods[route.method].result, 'output') : { type: 'object' }) },
      default: { description: 'Refused or failed', ...json({ $ref: '#/components/schemas/Error' }) },
    },
  }
}

function paramsOf(route: Route): { readonly properties: Json; readonly required: readonly string[] } {
  if (route.body !== undefined) return { properties: route.body, required: Object.keys(route.body) }
  const schema = schemaOf(methods[route.method].params, 'input')
  return { properties: (schema['properties'] ?? {}) as Json, required: (schema['required'] ?? []) as readonly string[] }
}

function body(names: readonly string[], properties: Json, required: readonly string[]): Json {
  return json({
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, properties[name]])),
    required: required.filter((name) => names.includes(name)),
    additionalProperties: false,
  })
}

function rpcOperation(): Json {
  return {
    summary: `JSON-RPC 2.0, single or batch; methods: ${Object.keys(methods).join(', ')}`,
    requestBody: json({ type: ['object', 'array'] }),
    responses: { 200: { description: 'The answer', ...json({ type: ['object', 'array'] }) }, 204: { description: 'Only notifications came' } },
  }
}

function eventsOperation(): Json {
  return {
    summary: 'Server-sent events; `data` is one event as JSON',
    parameters: [{ name: 'Last-Event-ID', in: 'header', required: false, schema: { type: 'string' } }],
    responses: { 200: { description: 'A stream without end', content: { 'text/event-stream': { schema: schemaOf(eventBody, 'output') } } } },
  }
}

function json(schema: Json): Json {
  return { content: { 'application/json': { schema } } }
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io })
  return rest
}
