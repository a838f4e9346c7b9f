import { z } from 'zod';
import { VERSION } from '../../base/version.ts';
import { BUILD_RECORD_SCHEMA } from '../../build/build-record-format.ts';
import { BUILD_QUERY } from '../live/build-query.ts';
import { ERROR, PRINTED, PRINTED_DAMAGE, STATUS, STREAM_STATUS } from './api-schema.ts';

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const answer = (description: string, schema: object) => ({
  description,
  content: { 'application/json': { schema } },
});
const refused = (description: string) => answer(description, ref('Error'));

/**
 * Returns the description of the API (OpenAPI 3.1, whose schemas are JSON Schema 2020-12). Its schemas are made from those
 * that records and queries are checked with.
 */
export function openApiDocument(product: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: `${product}: nightly builds`,
      version: VERSION,
      description:
        'Builds, streams and status of atomic-nightly, for reading. The same JSON as "list --json", "show --json" and "status --json".',
    },
    servers: [{ url: '.' }],
    paths: {
      '/builds': {
        get: {
          summary: 'Builds, newest first',
          parameters: queryParameters(),
          responses: {
            200: {
              ...answer('The builds; a header Link with rel="next" leads on.', {
                type: 'array',
                items: ref('ListedBuild'),
              }),
              headers: { Link: { description: 'Where the list goes on.', schema: { type: 'string' } } },
            },
            400: refused('A parameter is wrong; which one, and why.'),
          },
        },
      },
      '/builds/{id}': {
        get: {
          summary: 'One build',
          parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
          responses: { 200: answer('The build.', ref('ListedBuild')), 404: refused('There is no such build.') },
        },
      },
      '/streams': {
        get: {
          summary: 'How each stream stands',
          responses: { 200: answer('The streams.', { type: 'array', items: ref('StreamStatus') }) },
        },
      },
      '/status': {
        get: {
          summary: 'What runs, what is wrong, what comes next',
          responses: { 200: answer('The status.', ref('Status')) },
        },
      },
    },
    components: {
      schemas: {
        BuildRecord: jsonSchema(BUILD_RECORD_SCHEMA),
        Build: { allOf: [ref('BuildRecord'), jsonSchema(PRINTED)] },
        DamagedBuild: jsonSchema(PRINTED_DAMAGE),
        ListedBuild: { anyOf: [ref('Build'), ref('DamagedBuild')] },
        StreamStatus: jsonSchema(STREAM_STATUS),
        Status: jsonSchema(STATUS),
        Error: jsonSchema(ERROR),
      },
    },
  };
}

function queryParameters(): object[] {
  return Object.entries(BUILD_QUERY.shape).map(([name, schema]) => {
    const { description, ...rest } = jsonSchema(schema);
    return { name, in: 'query', description, schema: rest };
  });
}

/** Without the name of the dialect, which the document has. */
function jsonSchema(schema: z.ZodType): { readonly description?: string } {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}
