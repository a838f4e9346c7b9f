import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { type LinkCounts, startSlowLink } from './slow-link.ts';

/** A slow link in a process of its own, so that what is measured does not compete with it. */
export interface SlowLinkApart {
  readonly port: number;
  /** Since `reset`. */
  counts(): Promise<LinkCounts>;
  reset(): void;
  stop(): void;
}

/** As `startSlowLink`. */
export async function startSlowLinkApart(to: {
  readonly port: number;
  readonly roundTripMs: number;
}): Promise<SlowLinkApart> {
  const child = fork(fileURLToPath(import.meta.url), [String(to.port), String(to.roundTripMs)]);
  const port = Number(await answer(child));
  return {
    port,
    async counts() {
      child.send('counts');
      return (await answer(child)) as LinkCounts;
    },
    reset: () => void child.send('reset'),
    stop: () => child.disconnect(),
  };
}

async function answer(child: ChildProcess): Promise<unknown> {
  return (await once(child, 'message'))[0];
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const link = await startSlowLink({ port: Number(argv[2]), roundTripMs: Number(argv[3]) });
  process.on('message', (message) => {
    if (message === 'reset') link.reset();
    else process.send?.(link.counts());
  });
  process.on('disconnect', () => void link.stop());
  process.send?.(link.port);
}
