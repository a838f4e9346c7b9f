import type { Fault } from '../base/errors.ts';
import { NightlyError } from '../base/errors.ts';
import { formatSeconds } from '../base/format.ts';
import { quietTask } from '../base/task.ts';
import type { Config, ScheduleConfig } from '../config/config.ts';
import { targetUses } from '../config/lookup.ts';
import { nextMoments } from '../service/schedule.ts';
import { configuredKeys, inspectKey, placeOf } from '../signing/inventory.ts';
import { expiryWarning } from '../signing/key-info.ts';

/** Returns what is allowed in a configuration and probably not meant, or needs somebody soon; reads keys and nothing else. */
export async function configWarnings(config: Config): Promise<Fault[]> {
  return [
    ...unusedTargets(config),
    ...unusedKeys(config),
    ...streamWarnings(config),
    ...unheard(config),
    ...(await keyWarnings(config)),
  ];
}

/** A target that nothing is published to is most often a name that was forgotten in a stream. */
function unusedTargets({ targets, streams, content, log, builders, placeOf: at }: Config): Fault[] {
  const places = content?.rules.flatMap(({ target, debuginfo, source }) => [target, debuginfo?.target, source?.target]);
  const used = new Set([
    ...Object.values(streams).flatMap((stream) => [...targetUses(stream).keys()]),
    ...(places ?? []),
    builders?.publish?.target,
    log?.home,
  ]);
  return Object.keys(targets)
    .filter((name) => !used.has(name))
    .map((name) => ({ place: at('targets', name), message: `targets.${name}: nothing is published to this target.` }));
}

/** Keys of content that no rule can name: one whose `key` has parts of the tag in it may name any. */
function unusedKeys({ content, placeOf: at }: Config): Fault[] {
  if (content === undefined || content.rules.some(({ key }) => key.includes('<'))) return [];
  return Object.keys(content.keys)
    .filter((name) => content.rules.every(({ key }) => key !== name))
    .map((name) => ({
      place: at('content', 'keys', name),
      message: `content.keys.${name}: no rule signs with this key.`,
    }));
}

function streamWarnings({ streams, targets, placeOf: at }: Config): Fault[] {
  return Object.values(streams).flatMap(({ name, schedule, signing, smokeTest, testedRef, ...stream }): Fault[] => {
    const warning = (key: string, message: string): Fault => ({
      place: at('streams', name, key),
      message: `streams.${name}.${key}: ${message}`,
    });
    const open = stream.targets.find((target) => signing === undefined && isOpenUrl(targets[target]?.url ?? ''));
    return [
      ...(testedRef !== undefined && smokeTest === false
        ? [warning('tested-ref', 'this ref is never moved, because the stream has no smoke test.')]
        : []),
      ...(schedule ? tooMuchJitter(schedule).map((message) => warning('schedule', message)) : []),
      ...(open === undefined
        ? []
        : [
            warning(
              'targets',
              `hosts read "${open}" over http, and nothing is signed: whoever is on the way can replace the tree. Add "signing", or an https URL.`,
            ),
          ]),
    ];
  });
}

function tooMuchJitter(schedule: ScheduleConfig): string[] {
  const [first, second] = nextMoments(schedule, 2);
  const period = first && second ? (second.getTime() - first.getTime()) / 1000 : Number.POSITIVE_INFINITY;
  if (schedule.jitterSeconds < period) return [];
  return [
    `the jitter of ${formatSeconds(schedule.jitterSeconds)} is as long as the ${formatSeconds(period)} between two builds.`,
  ];
}

/** Whether a URL is read over an open network: unencrypted, and not on this machine. */
function isOpenUrl(url: string): boolean {
  if (!url.startsWith('http:')) return false;
  const { hostname } = new URL(url);
  return hostname !== 'localhost' && hostname !== '[::1]' && !hostname.startsWith('127.');
}

function unheard({ streams, notify, placeOf: at }: Config): Fault[] {
  const scheduled = Object.values(streams).find(({ schedule }) => schedule !== undefined);
  if (scheduled === undefined || notify.length > 0) return [];
  return [
    {
      place: at('streams', scheduled.name, 'schedule'),
      message: 'notify: builds run on a schedule, and no notification sink reports one that fails.',
    },
  ];
}

async function keyWarnings(config: Config): Promise<Fault[]> {
  const found = await Promise.all(
    configuredKeys(config).map(async ({ config: key, streams: [stream], content: [name] }): Promise<Fault[]> => {
      const others = name === undefined ? ['log', 'signing'] : ['content', 'keys', name];
      const path = stream === undefined ? others : ['streams', stream, 'signing'];
      const info = await inspectKey(key, quietTask());
      const message =
        info instanceof NightlyError
          ? info.message
          : info.problem === undefined
            ? expiryWarning(info)
            : `key ${info.fingerprint} (${placeOf(key)}) ${info.problem}.`;
      return message === undefined
        ? []
        : [{ place: config.placeOf(...path), message: `${path.join('.')}: ${message}` }];
    }),
  );
  return found.flat();
}
