import { NightlyError } from '../base/errors.ts';
import type { EngineConfig } from '../config/config.ts';
import { createDnfEngine } from './dnf/dnf-engine.ts';
import type { Engine, RpmEngine } from './engine.ts';
import { createCheckoutEngine } from './folder/checkout-engine.ts';
import { createCommandEngine } from './folder/command-engine.ts';
import { createRpmOstreeEngine } from './rpm-ostree/rpm-ostree-engine.ts';

export interface SelectedEngine {
  readonly engine: Engine;
  /** One sentence for people: which and why. */
  readonly reason: string;
}

/**
 * Returns the engine a configuration asks for; `auto` is rpm-ostree when it is installed, else dnf.
 * @throws NightlyError `tool-missing` when the one asked for is not installed, `tool-failed` when it does not answer.
 */
export async function selectEngine(config: EngineConfig): Promise<SelectedEngine> {
  switch (config.type) {
    case 'dnf': {
      const engine = await createDnfEngine();
      return { engine, reason: `Composing with dnf ${engine.version}, as configured.` };
    }
    case 'rpm-ostree': {
      const engine = await createRpmOstreeEngine(config.command);
      return { engine, reason: `Composing with rpm-ostree ${engine.version}, as configured.` };
    }
    case 'checkout': {
      const engine = await createCheckoutEngine(config);
      return { engine, reason: `Committing the folder ${config.path} with ostree ${engine.version}.` };
    }
    case 'command': {
      const engine = await createCommandEngine(config);
      return { engine, reason: `Committing what ${config.command[0]} makes with ostree ${engine.version}.` };
    }
    case 'auto': {
      const found = await rpmOstreeIfInstalled();
      if (found) return { engine: found, reason: `Composing with rpm-ostree ${found.version}, which is installed.` };
      const engine = await createDnfEngine();
      return { engine, reason: `Composing with dnf ${engine.version}: rpm-ostree is not installed.` };
    }
  }
}

async function rpmOstreeIfInstalled(): Promise<RpmEngine | undefined> {
  try {
    return await createRpmOstreeEngine(['rpm-ostree']);
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'tool-missing') return undefined;
    throw error;
  }
}
