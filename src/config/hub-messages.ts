import { z } from 'zod';
import { block, type Here } from './block.ts';
import { brokerLogin, brokerUrl } from './broker.ts';
import { filePath } from './values.ts';

/** Makes the schema of `content.messages`: the bus that koji's hub sends to. */
export const hubMessagesSchema = (here: Here) =>
  block({
    broker: brokerUrl.describe('The MQTT broker.'),
    topic: z
      .string()
      .regex(
        /^(?:[^\s#+/]+|\+)(?:\/(?:[^\s#+/]+|\+))*(?:\/#)?$/,
        'must be a topic, with "+" for a level and "#" at the end',
      )
      .default('koji')
      .describe('Topic of messages that name a tag, with "+" and "#".'),
    'client-id': z
      .string()
      .regex(/^[\w.-]{1,65}$/, 'must be letters, digits, ".", "-" and "_"')
      .refine((text) => text !== 'signing', {
        error: "is the id that CBS's own plugin connects with; one throws the other out",
      })
      .optional()
      .describe('Id of the persistent session; default: atomic-nightly- and the name of the project.'),
    ...brokerLogin(here),
    'cert-file': filePath(here).optional().describe('Client certificate (PEM).'),
    'key-file': filePath(here).optional().describe('Its key (PEM), readable by its owner only.'),
    'status-topic': z
      .string()
      .regex(/^[^\s#+/]+(\/[^\s#+/]+)*$/, 'must be words joined by "/", without wildcards')
      .optional()
      .describe(
        'Topic to tell when the processing of a tag begins and ends, as cbs-signing did; default: it is not told.',
      ),
  });
