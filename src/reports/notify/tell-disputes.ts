import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { type Dispute, disputeFolder } from '../../rebuild/dispute-record.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { openCourier } from './deliver-event.ts';
import { asEvent } from './derive.ts';
import type { BuildEvent } from './event.ts';

/** How long notifications may delay what goes on. */
const LIMIT_MS = 20_000;

/**
 * Notifies the sinks about disputes of which nobody was told yet: of each once, also when a kill came between. The events wait in
 * outboxes below `work/rebuild`.
 */
export async function tellDisputes(
  { name, notify, work }: Pick<Config, 'name' | 'notify' | 'work'>,
  disputes: readonly Dispute[],
  task: Task,
): Promise<void> {
  const couriers = notify.map((sink) => openCourier(rebuildFolder(work), sink));
  if (couriers.length === 0) return;
  for (const dispute of disputes) {
    const told = join(disputeFolder(work, dispute.id), 'told');
    if (dispute.kind === 'explained' || (await ifThere(stat(told)))) continue;
    for (const courier of couriers) await courier.take(disputeEvent(name, dispute));
    await writeFileAtomic(told, '');
  }
  const limit = AbortSignal.any([task.signal, AbortSignal.timeout(LIMIT_MS)]);
  for (const fault of await Promise.all(couriers.map((courier) => courier.deliver(limit))))
    if (fault !== undefined) task.say(`notify: ${fault}`);
}

/** Returns the event about a dispute. */
export function disputeEvent(product: string, { id, kind, source, one, other, packages, at }: Dispute): BuildEvent {
  const names = packages.map((all) => all.package);
  const failures = [
    {
      step: kind,
      code: 'verify' as const,
      message: `${source.nevra} of ${one.operator}/${one.builder} and of ${other.operator}/${other.builder} differ`,
    },
  ];
  const about = { product, stream: 'rebuild', build: 'rebuild', arch: '', ref: '', state: '', failures };
  const what = { type: 'dispute', dispute: id, task: kind === 'task', source: source.nevra, packages: names } as const;
  return asEvent(about, { ...what, builders: [one.builder, other.builder] }, new Date(at * 1000));
}
