import { signStatement } from '../../attest/sign-statement.ts';
import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { tableLines } from '../../base/table.ts';
import { quietTask } from '../../base/task.ts';
import { EXIT } from '../../build/outcomes.ts';
import { readLedger } from '../../rebuild/builder-ledger.ts';
import { type CheckedDay, checkDraws } from '../../rebuild/check-draws.ts';
import { drawDays, keepDrawSecrets, readDrawDay } from '../../rebuild/draw-secrets.ts';
import { drawsStatement } from '../../rebuild/draws-statement.ts';
import { withRebuildLock } from '../../rebuild/rebuild-lock.ts';
import { type RebuildConfig, statementOf } from '../../rebuild/rebuild-records.ts';
import { readKeptResults } from '../../rebuild/result-store.ts';
import { defineCommand } from '../define.ts';
import { flag, text } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { type Printer, printJson } from '../print.ts';

/** `atomic-nightly builders draws`: what may be known of the days' secrets, or whether the draws of a day were as they should. */
export const buildersDraws = defineCommand({
  name: 'builders draws',
  summary: 'list the secrets that decide which results are built twice, or verify those of a day',
  options: {
    check: text('DAY', 'verify, once the UTC day is over, that nobody was spared'),
    publish: text('FILE', 'write a signed statement of what may be known of every day', { completes: 'file' }),
    json: flag('for scripts'),
  },
  exitCodes: {
    0: 'all as it should be, or only listed',
    12: 'a result of the day was spared, picked, or drawn at another rate',
  },
  notes:
    'The secrets of today and tomorrow are made by every result and by this command; one is revealed an hour after its day. Run it daily with --publish, to a place where builders can read the file.',
  examples: [
    'atomic-nightly builders draws',
    'atomic-nightly builders draws --publish /srv/www/draws.intoto.jsonl',
    'atomic-nightly builders draws --check 2026-11-28',
  ],
  async run({ check, publish, json }, { config: path, print }) {
    const config = await loadRebuilds(path);
    const task = quietTask();
    const now = Math.floor(Date.now() / 1000);
    await withRebuildLock(config.work, task, () => keepDrawSecrets(config.work, now));
    if (check !== undefined) return checkDay(config, check, json, print);
    const days = await drawDays(config.work);
    if (publish !== undefined) {
      const line = await signStatement(drawsStatement(days, now), statementOf(config).signer, task);
      // Builders read it at any moment.
      await writeFileAtomic(publish, line);
    }
    if (json) printJson(days, print);
    else {
      const rows = days.map(({ day, commitment, secret }) => [day, commitment, secret ?? 'not revealed yet']);
      for (const line of tableLines([['DAY', 'COMMITMENT', 'SECRET'], ...rows])) print(line);
    }
    return 0;
  },
});

async function checkDay(config: RebuildConfig, day: string, json: boolean, print: Printer): Promise<number> {
  const { work, builders } = config;
  const record = await readDrawDay(work, day);
  const { secret } = record;
  if (secret === undefined) {
    throw new NightlyError('usage', `The secret of ${day} is not revealed yet.`, {
      hint: 'It is an hour after the end of the day, UTC.',
    });
  }
  const { results, faults } = await readKeptResults(work);
  const names = [...new Set(results.map(({ result }) => result.builder))];
  const ledgers = new Map(await Promise.all(names.map(async (name) => [name, await readLedger(work, name)] as const)));
  const checked = checkDraws({ ...record, secret }, results, ledgers, builders.rates);
  const unread = faults.map(({ message }) => message);
  if (json) printJson({ ...checked, unread }, print);
  else printDay(checked, unread, print);
  const isBad =
    checked.faults.length > 0 || unread.length > 0 || checked.draws.some(({ fault }) => fault !== undefined);
  return isBad ? EXIT.gateFailed : 0;
}

function printDay({ day, draws, faults }: CheckedDay, unread: readonly string[], print: Printer): void {
  for (const fault of [...faults, ...unread]) print(`${day}: ${fault}`);
  for (const { job, builder, operator, wanted, duplicate, fault, waits } of draws) {
    const what =
      fault ??
      (waits ? 'drawn, its duplicate is to come' : wanted ? `drawn, built again as ${duplicate}` : 'not drawn');
    print(`${job}  ${operator}/${builder}  ${what}`);
  }
  const bad = draws.filter(({ fault }) => fault !== undefined).length;
  const wanted = draws.filter((one) => one.wanted).length;
  print(`${day}: ${draws.length} results, ${wanted} drawn, ${bad} not as they should be`);
}
