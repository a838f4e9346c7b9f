import { readFileSync } from 'node:fs';
import { argv, stdout } from 'node:process';
import { readRecord } from '../../src/base/read-record.ts';
import { quietTask } from '../../src/base/task.ts';
import { loadConfig } from '../../src/config/load.ts';
import { RESULT } from '../../src/rebuild/result.ts';
import { acceptResult } from '../../src/steps/rebuild/accept-result.ts';
import { publishResults } from '../../src/steps/rebuild/publish-results.ts';

/** Hands results in, a record a line, and publishes what is accepted: a process of its own, so that a test can kill it. */
const [configFile = '', resultsFile = '', at = ''] = argv.slice(2);
const loaded = await loadConfig(configFile);
if (!loaded.builders) throw new Error('no builders');
const config = { ...loaded, builders: loaded.builders };
stdout.write('ready\n');
for (const line of readFileSync(resultsFile, 'utf8').split('\n')) {
  if (line === '') continue;
  await acceptResult(config, readRecord(line, RESULT, resultsFile), quietTask(), Number(at));
}
stdout.write('accepted\n');
await publishResults(config, quietTask(), Number(at));
