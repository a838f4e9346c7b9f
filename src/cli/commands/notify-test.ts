import { asNightlyError } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import { didYouMean } from '../../base/nearest.ts';
import type { Config, NotifyConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { asEvent } from '../../reports/notify/derive.ts';
import { openSink } from '../../reports/notify/open-sinks.ts';
import { defineCommand } from '../define.ts';
import { flag, text } from '../inputs.ts';
import { printJson } from '../print.ts';

const LIMIT_MS = 20_000;

/** `atomic-nightly notify test`: sends a test event. Gives the exit code: 1 when a sink did not take it. */
export const notifyTest = defineCommand({
  name: 'notify test',
  summary: 'send a test message to every notification sink, or to one',
  options: {
    sink: text('NAME', 'name of a sink, or its number in the configuration, from 1', { completes: 'sink' }),
    json: flag('for scripts'),
  },
  exitCodes: { 0: 'every sink accepted it', 1: 'at least one did not' },
  examples: ['atomic-nightly notify test --sink mail'],
  interruptible: true,
  async run({ sink: name, json }, { config: path, signal: interrupted, print }) {
    const config = await loadConfig(path);
    const sinks = chosen(config, name);
    const signal = AbortSignal.any([interrupted, AbortSignal.timeout(LIMIT_MS)]);
    const results = await Promise.all(
      sinks.map(async (one) => {
        const sink = await openSink(one);
        const to = sink.describe();
        try {
          await sink.send(testEvent(config, one), signal);
          return { sink: one.name, ok: true, to, message: undefined, hint: undefined };
        } catch (caught) {
          interrupted.throwIfAborted();
          const { message, hint } = asNightlyError(caught);
          return { sink: one.name, ok: false, to, message, hint };
        }
      }),
    );
    if (json) printJson(results, print);
    else {
      for (const { sink, ok, to, message, hint } of results) {
        print(ok ? `ok       ${sink}: ${to}` : `failed   ${sink}: ${message}\n  what to do: ${hint ?? ''}`);
      }
    }
    return results.every(({ ok }) => ok) ? 0 : 1;
  },
});

/** @throws NightlyError `usage` when there is none of that name. */
function chosen({ notify, path }: Config, name: string | undefined): readonly NotifyConfig[] {
  if (notify.length === 0) {
    throw new NightlyError('usage', `${path} has no notification sinks: it has no "notify".`, {
      hint: 'docs/notify.md has examples for mail, Matrix, MQTT and webhooks.',
    });
  }
  if (name === undefined) return notify;
  const found = notify.find((sink, index) => sink.name === name || String(index + 1) === name);
  if (found) return [found];
  const names = notify.map((sink) => sink.name);
  throw new NightlyError('usage', `There is no sink "${name}".${didYouMean(name, names)}`, {
    hint: `Sinks in ${path}: ${names.join(', ')}.`,
  });
}

function testEvent({ name: product, streams }: Config, { streams: wanted }: NotifyConfig) {
  const stream = wanted?.[0] ?? Object.keys(streams)[0] ?? '';
  const about = { product, stream, build: 'test', arch: '', ref: '', state: 'complete', failures: [] };
  return asEvent(about, { type: 'test' });
}
