import type { ServiceControl } from '../control.ts';
import type { BusCounts } from '../events/hub-bus.ts';
import type { SetGauge } from './gauges.ts';

/** Adds what the service does about tags of koji; nothing where no content is configured. */
export function addContent(control: ServiceControl, bus: BusCounts | undefined, gauge: SetGauge): void {
  const content = control.content();
  if (!content) return;
  const { tags, awaySince, comparedAt } = content;
  gauge('koji_up', 'Whether the last poll of the hub was answered.', {}, +(awaySince === undefined));
  if (comparedAt !== undefined) {
    gauge(
      'content_compared_timestamp_seconds',
      'When all tags were last compared with the hub.',
      {},
      comparedAt / 1000,
    );
  }
  const waiting = tags.filter(({ running }) => !running);
  gauge('content_tags_running', 'Tags that are being processed.', {}, tags.length - waiting.length);
  gauge('content_tags_waiting', 'Tags that wait to be processed.', {}, waiting.length);
  for (const { tag, failures, due } of tags) {
    gauge('content_tag_failures', 'Failures of a tag in the queue since it last succeeded.', { tag }, failures);
    if (due === undefined) continue;
    gauge('content_tag_due_timestamp_seconds', 'When a tag in the queue is to be processed.', { tag }, due / 1000);
  }
  if (!bus) return;
  gauge('content_bus_connected', 'Whether the message bus of the hub is connected.', {}, +bus.connected);
  gauge('content_bus_messages', 'Messages that came over the bus since the service started.', {}, bus.received);
  gauge('content_bus_dropped', 'Messages among them that named no tag.', {}, bus.dropped);
}
