import type { NotifyConfig } from '../../config/config.ts';
import type { Sink } from './sink.ts';

/** Opens a sink; nothing is contacted yet. Each client is loaded when it is used: a night without changes is quick. */
export async function openSink(config: NotifyConfig): Promise<Sink> {
  switch (config.type) {
    case 'mail':
      return (await import('./mail-sink.ts')).mailSink(config);
    case 'webhook':
      return (await import('./webhook-sink.ts')).webhookSink(config);
    case 'matrix':
      return (await import('./matrix-sink.ts')).matrixSink(config);
    case 'mqtt':
      return (await import('./mqtt-sink.ts')).mqttSink(config);
  }
}
