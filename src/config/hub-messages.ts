import { z } from 'zod';
import { block, type Here } from './block.ts';
import { filePath } from './values.ts';

/** Makes the schema of `content.messages`: the bus that koji's hub sends to. */
export const hubMessagesSchema = (here: Here) =>
  block({
    broker: z
      .string()
      .regex(/^(mqtts?|wss?):\/\/[^\s/@]+/, 'must be mqtt://host, mqtts://host or ws(s)://host, without a password')
      .describe('The MQTT broker.'),
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
    user: z.string().min(1).optional(),
    'password-file': filePath(here).optional().describe('The password alone, readable by its owner only.'),
    'ca-file': filePath(here)
      .optional()
      .describe('Certificates to trust with mqtts and wss; default: those of the system.'),
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
