import { formatAge, formatBytes, formatMomentAndAge } from '../../base/format.ts';
import { tableLines } from '../../base/table.ts';
import { toned } from '../../base/tone.ts';
import { EXIT } from '../../build/outcomes.ts';
import { loadConfig } from '../../config/load.ts';
import type { Problem } from '../../service/problem.ts';
import { type Status, type StreamStatus, statusOf } from '../../service/status.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { printJson } from '../print.ts';
import { stateText } from '../state-text.ts';

/** `atomic-nightly status`: one screen for whoever comes to work in the morning, one exit code for a monitor. */
export const status = defineCommand({
  name: 'status',
  section: 'Looking at builds',
  summary: 'show what runs, what is wrong and since when, and what comes next',
  options: { json: flag('for scripts') },
  exitCodes: {
    0: 'all is well',
    1: 'something needs you: a build, a target, a key, the disk, an audit, a tag of koji, a dispute',
  },
  notes:
    'A stream with a schedule needs a successful build within two of its periods; builds without changes count. Nothing is asked over the network: "verify" and "audit" do that.',
  examples: ['atomic-nightly status', 'atomic-nightly status --json | jq -r ".problems[]"'],
  async run({ json }, { config: path, print }) {
    const found = await statusOf(await loadConfig(path));
    if (json) printJson(found, print);
    else for (const line of statusLines(found)) print(line);
    return found.problems.length === 0 ? EXIT.done : EXIT.failed;
  },
});

function statusLines({ problems, nextSteps, running, queue, streams, disk }: Status): string[] {
  const now = Date.now();
  const count = problems.length === 1 ? '1 thing needs you:' : `${problems.length} things need you:`;
  return [
    ...(problems.length === 0
      ? [toned('good', 'All is well.')]
      : [toned('bad', count), ...nextSteps.flatMap(problemLines)]),
    '',
    running
      ? `Running:  ${running.command} (process ${running.pid} on ${running.host}), since ${formatMomentAndAge(new Date(running.since), now)}`
      : 'Running:  nothing',
    ...queue.map(
      ({ stream, cause, notBefore, failures }) =>
        `Waiting:  ${stream} (${cause}), ${inOrDue(notBefore, now)}${failures > 0 ? `, failed ${failures} times` : ''}`,
    ),
    ...(disk ? [`Disk:     ${formatBytes(disk.free)} of ${formatBytes(disk.total)} free`] : []),
    '',
    ...tableLines([
      ['STREAM', 'LAST BUILD', 'STATE', 'AGE', 'LAST GOOD', 'AGE', 'NEXT'],
      ...streams.map((stream) => streamCells(stream, now)),
    ]),
  ];
}

/** The next step stands below the problem, further in. */
const problemLines = ({ problem, nextStep }: Problem): string[] => [`  ${problem}`, `    ${nextStep}`];

function streamCells({ stream, last, good, next }: StreamStatus, now: number): string[] {
  const age = (one: { ageSeconds: number } | undefined): string => (one ? formatAge(one.ageSeconds) : '-');
  return [
    ...[
      stream,
      last?.build ?? '-',
      last ? stateText(last.state) : 'no build yet',
      age(last),
      good?.build ?? '-',
      age(good),
    ],
    next === undefined ? '-' : inOrDue(next, now),
  ];
}

function inOrDue(at: string, now: number): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  return seconds > 0 ? `in ${formatAge(seconds)}` : 'due now';
}
