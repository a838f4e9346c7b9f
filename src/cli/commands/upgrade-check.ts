import { NightlyError } from '../../base/errors.ts';
import { tableLines } from '../../base/table.ts';
import { VERSION } from '../../base/version.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { changedBehaviour } from '../../doctor/changed-behaviour.ts';
import { type RecordSurvey, surveyRecords } from '../../doctor/survey-records.ts';
import { SERVICE_RECORD } from '../../service/service-state.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { formatError, type Printer, printJson } from '../print.ts';

/** `atomic-nightly upgrade-check`: run after an update and before the next nightly build; reads everything, changes nothing. */
export const upgradeCheck = defineCommand({
  name: 'upgrade-check',
  section: 'Setting up',
  summary:
    'check that this version reads the configuration and every record that an earlier one left, and name what it does differently',
  options: { json: flag('for scripts') },
  examples: ['atomic-nightly upgrade-check', 'atomic-nightly upgrade-check --json | jq .refused'],
  exitCodes: {
    0: 'all of it can be used',
    1: 'a record was written by a newer version, or is damaged',
    2: 'the configuration no longer loads',
  },
  async run({ json }, { config: path, print }) {
    const config = await loadConfig(path).catch((error: unknown) => {
      if (error instanceof NightlyError) return error;
      throw error;
    });
    if (config instanceof NightlyError) {
      if (json) printJson({ ok: false, version: VERSION, configuration: config.message }, print);
      else print(formatError(config));
      return EXIT.usage;
    }
    const survey = await surveyRecords(config.work, [SERVICE_RECORD]);
    const changed = await changedBehaviour(config);
    const ok = survey.refused.length === 0;
    if (json) printJson({ ok, version: VERSION, configuration: null, work: config.work, ...survey, changed }, print);
    else printReport(config, survey, changed, print);
    return ok ? EXIT.done : EXIT.failed;
  },
});

function printReport(
  config: Config,
  { read, refused }: RecordSurvey,
  changed: Awaited<ReturnType<typeof changedBehaviour>>,
  print: Printer,
): void {
  const count = Object.values(read).reduce((sum, one) => sum + one, 0);
  const rows = [
    ['ok', 'configuration', config.path],
    [
      refused.length === 0 ? 'ok' : 'note',
      'records',
      `${count - refused.length} of ${count} in ${config.work} can be read`,
    ],
    ...refused.map(({ path, newerFormat, message, hint }) => [
      newerFormat === undefined ? 'damaged' : 'newer',
      path,
      hint === undefined ? message : `${message} ${hint}`,
    ]),
    ...changed.map(({ what, detail }) => ['changed', what, detail]),
  ];
  for (const line of tableLines(rows)) print(line);
  print('');
  print(
    refused.length === 0
      ? `atomic-nightly ${VERSION} can continue here.`
      : `${refused.length} of the records cannot be used by atomic-nightly ${VERSION}; what depends on them stops, all else works.`,
  );
}
